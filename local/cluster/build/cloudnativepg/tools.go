//go:build tools

// Package cloudnativepg keeps in go.mod and go.sum what the program is made of; `go mod tidy` reads it.
package cloudnativepg

import _ "github.com/cloudnative-pg/cloudnative-pg/cmd/manager"

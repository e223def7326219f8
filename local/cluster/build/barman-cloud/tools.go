//go:build tools

// Package barmancloud keeps in go.mod and go.sum what the program is made of; `go mod tidy` reads it.
package barmancloud

import _ "github.com/cloudnative-pg/plugin-barman-cloud/cmd/manager"

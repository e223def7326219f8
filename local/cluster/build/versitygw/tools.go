//go:build tools

// Package versitygw keeps in go.mod and go.sum what the program is made of; `go mod tidy` reads it.
package versitygw

import _ "github.com/versity/versitygw/cmd/versitygw"

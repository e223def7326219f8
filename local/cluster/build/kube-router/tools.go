//go:build tools

// Package kuberouter keeps in go.mod and go.sum what the program is made of; `go mod tidy` reads it.
package kuberouter

import _ "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"

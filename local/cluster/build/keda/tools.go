//go:build tools

// Package keda keeps in go.mod and go.sum what these programs are made of; `go mod tidy` reads it.
package keda

import (
	_ "github.com/kedacore/keda/v2/cmd/adapter"
	_ "github.com/kedacore/keda/v2/cmd/operator"
	_ "github.com/kedacore/keda/v2/cmd/webhooks"
)

//go:build tools

// Package prometheusoperator keeps in go.mod and go.sum what these programs are made of.
// `go mod tidy` reads it.
package prometheusoperator

import (
	_ "github.com/prometheus-operator/prometheus-operator/cmd/operator"
	_ "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader"
)

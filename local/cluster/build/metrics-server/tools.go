//go:build tools

// Package metricsserver keeps in go.mod and go.sum what the program is made of; `go mod tidy` reads it.
package metricsserver

import _ "sigs.k8s.io/metrics-server/cmd/metrics-server"

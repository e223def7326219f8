//go:build tools

// Package helm keeps in go.mod and go.sum what the program is made of; `go mod tidy` reads it.
package helm

import _ "helm.sh/helm/v3/cmd/helm"

//go:build tools

// Package rabbitmqclusteroperator keeps in go.mod and go.sum what the program is made of.
// `go mod tidy` reads it.
package rabbitmqclusteroperator

import _ "github.com/rabbitmq/cluster-operator/v2"

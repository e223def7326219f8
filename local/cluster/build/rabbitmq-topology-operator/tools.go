//go:build tools

// Package rabbitmqtopologyoperator keeps in go.mod and go.sum what the program is made of.
// `go mod tidy` reads it.
package rabbitmqtopologyoperator

import _ "github.com/rabbitmq/messaging-topology-operator"

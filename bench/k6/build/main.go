// Package main is k6 as released. It is built from here so that go.sum pins every module it is made of.
package main

import "go.k6.io/k6/v2/cmd"

func main() {
	cmd.Execute()
}

// Package main is etcd as released. It is built from here so that go.sum pins every module it is made of.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}

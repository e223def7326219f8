// Package main is the stream processor Bento with just the components that bench/peers/bento/accept.yaml
// uses: far fewer modules to build than `cmd/bento`, the same code on the path of a request.
package main

import (
	"context"

	"github.com/warpstreamlabs/bento/public/service"

	_ "github.com/lib/pq"

	_ "github.com/warpstreamlabs/bento/public/components/amqp09"
	_ "github.com/warpstreamlabs/bento/public/components/io"
	_ "github.com/warpstreamlabs/bento/public/components/prometheus"
	_ "github.com/warpstreamlabs/bento/public/components/pure"
	_ "github.com/warpstreamlabs/bento/public/components/pure/extended"
	_ "github.com/warpstreamlabs/bento/public/components/redis"
	_ "github.com/warpstreamlabs/bento/public/components/sql/base"
)

func main() {
	service.RunCLI(context.Background())
}

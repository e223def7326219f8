// Package main is the webhook of cert-manager, as its library has it, with the arguments of the original.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/cert-manager/cert-manager/internal/webhook"
	"github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"
	"github.com/spf13/pflag"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	configuration, err := options.NewWebhookConfiguration()
	must(err)
	options.AddConfigFlags(pflag.CommandLine, configuration)
	pflag.Parse()
	server, err := webhook.NewCertManagerWebhookServer(logs.FromContext(ctx), *configuration)
	must(err)
	must(server.Run(ctx))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

{{- define "tollgate.image" -}}
{{- $name := .Values.image.repository -}}
{{- with .Values.image.digest -}}
{{ printf "%s@%s" $name . | quote }}
{{- else -}}
{{ printf "%s:%s" $name (.Values.image.tag | default .Chart.AppVersion) | quote }}
{{- end -}}
{{- end -}}

{{- define "tollgate.serversSecret" -}}
{{ .Values.servers.existingSecret | default "tollgate-servers" }}
{{- end -}}

{{- define "tollgate.secretsSecret" -}}
{{ .Values.secrets.existingSecret | default "tollgate-secrets" }}
{{- end -}}

{{- define "tollgate.kedaSecret" -}}
{{ .Values.scaling.rabbitmq.existingSecret | default "keda-rabbitmq" }}
{{- end -}}

{{- /* The shipped configuration with what the values say. */ -}}
{{- define "tollgate.config" -}}
{{- if dig "gateway" "port" "" .Values.config }}{{ fail "config.gateway.port: the chart's pods listen on 8080" }}{{ end -}}
{{- $config := .Files.Get "files/tollgate.yaml" | fromYaml -}}
{{- with .Values.models }}{{ $_ := set $config "models" . }}{{ end -}}
{{- with .Values.tiers }}{{ $_ := set $config "tiers" . }}{{ end -}}
{{- mergeOverwrite $config .Values.config | toYaml -}}
{{- end -}}

{{- /* How a port is asked: by the part of the configuration that may have a certificate for it. */ -}}
{{- define "tollgate.scheme" -}}
{{ if dig .of "tls" "cert" "" .root.Values.config }}HTTPS{{ else }}HTTP{{ end }}
{{- end -}}

{{/*
Value of app.kubernetes.io/name.
*/}}
{{- define "mcpt-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Name of every object: the release's.
*/}}
{{- define "mcpt-gateway.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Name of cluster-scoped objects: with the namespace, so that gateways of several namespaces do not clash.
*/}}
{{- define "mcpt-gateway.clusterName" -}}
{{- printf "%s:%s" (include "mcpt-gateway.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "mcpt-gateway.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "mcpt-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mcpt-gateway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/*
Labels that chart and version do not change. mcpt.io/gateway is how mcpt finds a gateway.
*/}}
{{- define "mcpt-gateway.steadyLabels" -}}
{{ include "mcpt-gateway.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
mcpt.io/gateway: {{ .Release.Name | quote }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "mcpt-gateway.labels" -}}
helm.sh/chart: {{ include "mcpt-gateway.chart" . | quote }}
{{- with .Chart.AppVersion }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
{{ include "mcpt-gateway.steadyLabels" . }}
{{- end }}

{{/*
Labels of pods. Chart and version are left out: a new chart that changes nothing in the pod must not replace it.
*/}}
{{- define "mcpt-gateway.podLabels" -}}
{{ include "mcpt-gateway.steadyLabels" . }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The key "annotations" with the common ones and those of the object, or nothing.
Call with (dict "root" $ "own" MAP).
*/}}
{{- define "mcpt-gateway.annotations" -}}
{{- $all := merge (dict) (default (dict) .own) .root.Values.annotations }}
{{- with $all }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Name and labels of an object, and the common annotations.
*/}}
{{- define "mcpt-gateway.metadata" -}}
name: {{ include "mcpt-gateway.fullname" . | quote }}
labels:
  {{- include "mcpt-gateway.labels" . | nindent 2 }}
{{- with .Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "mcpt-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "mcpt-gateway.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/*
Image reference NAME[:TAG][@DIGEST] of a block with repository and tag, either of which may carry a tag and a digest.
The grammar is Docker's; values.schema.json has it. Call with (dict "image" IMAGE "tag" DEFAULT-TAG).
*/}}
{{- define "mcpt-gateway.image" -}}
{{- $parts := splitList "@" .image.repository }}
{{- $name := first $parts }}
{{- $digest := rest $parts | join "" }}
{{- /* A colon before the last slash is that of a port. */}}
{{- $words := splitList "/" $name | last | splitList ":" }}
{{- $tag := rest $words | join "" }}
{{- if $tag }}
{{- $name = trimSuffix (printf ":%s" $tag) $name }}
{{- end }}
{{- $given := splitList "@" .image.tag }}
{{- $givenTag := first $given }}
{{- $givenDigest := rest $given | join "" }}
{{- if contains ":" $givenTag }}
{{- $givenDigest = $givenTag }}
{{- $givenTag = "" }}
{{- end }}
{{- if or (and $tag $givenTag (ne $tag $givenTag)) (and $digest $givenDigest (ne $digest $givenDigest)) }}
{{- fail (printf "the image's repository %s and its tag %s name two images: leave the tag empty, or the repository without one" .image.repository .image.tag) }}
{{- end }}
{{- $tag = coalesce $tag $givenTag }}
{{- $digest = coalesce $digest $givenDigest }}
{{- if $digest }}
{{- printf "%s%s@%s" $name (ternary (printf ":%s" $tag) "" (not (empty $tag))) $digest }}
{{- else }}
{{- printf "%s:%s" $name (default .tag $tag) }}
{{- end }}
{{- end }}

{{- define "mcpt-gateway.keysSecretName" -}}
{{- default (printf "%s-session-keys" (include "mcpt-gateway.fullname" .)) .Values.sessionKeys.existingSecret }}
{{- end }}

{{- define "mcpt-gateway.accessSecretName" -}}
{{- default (printf "%s-access-keys" (include "mcpt-gateway.fullname" .)) .Values.access.existingSecret }}
{{- end }}

{{/*
Name of the Service that gives the addresses of all pods.
*/}}
{{- define "mcpt-gateway.peersName" -}}
{{- printf "%s-peers" (include "mcpt-gateway.fullname" . | trunc 57 | trimSuffix "-") }}
{{- end }}

{{/*
The session keys, one a line: those of the values, else those that the Secret has, else a random one. Found once per
rendering and kept beside the values, since a random key must be the same wherever it is used.
*/}}
{{- define "mcpt-gateway.sessionKeys" -}}
{{- if not (hasKey .Values.sessionKeys "text") }}
{{- $text := join "\n" .Values.sessionKeys.keys }}
{{- if not $text }}
{{- $live := lookup "v1" "Secret" .Release.Namespace (include "mcpt-gateway.keysSecretName" .) }}
{{- $text = dig "data" "keys" "" $live | b64dec | default (randBytes 32) }}
{{- end }}
{{- $_ := set .Values.sessionKeys "text" $text }}
{{- end }}
{{- .Values.sessionKeys.text }}
{{- end }}

{{/*
Name of the Service that the API server asks for metrics, and of the Secret with its certificate unless that is named.
*/}}
{{- define "mcpt-gateway.metricsApiName" -}}
{{- printf "%s-metrics" (include "mcpt-gateway.fullname" . | trunc 55 | trimSuffix "-") }}
{{- end }}

{{- define "mcpt-gateway.metricsApiSecret" -}}
{{- default (include "mcpt-gateway.metricsApiName" .) .Values.metricsApi.existingSecret }}
{{- end }}

{{/*
Authority, certificate and key of the metrics API as JSON: those that the Secret has, else new ones. Found once per rendering, since what
is drawn must be the same wherever it is used.
*/}}
{{- define "mcpt-gateway.metricsApiMade" -}}
{{- if not (hasKey .Values.metricsApi "made") }}
{{- $name := include "mcpt-gateway.metricsApiName" . }}
{{- $live := dig "data" dict (lookup "v1" "Secret" .Release.Namespace $name) }}
{{- $made := dict "ca" (index $live "ca.crt" | default "" | b64dec) "cert" (index $live "tls.crt" | default "" | b64dec) "key" (index $live "tls.key" | default "" | b64dec) }}
{{- if not (and $made.ca $made.cert $made.key) }}
{{- $host := printf "%s.%s.svc" $name .Release.Namespace }}
{{- $ca := genCA (printf "%s-ca" $name) 3650 }}
{{- $cert := genSignedCert $host nil (list $host) 3650 $ca }}
{{- $made = dict "ca" $ca.Cert "cert" $cert.Cert "key" $cert.Key }}
{{- end }}
{{- $_ := set .Values.metricsApi "made" $made }}
{{- end }}
{{- .Values.metricsApi.made | toJson }}
{{- end }}

{{/*
The authority by which the API server knows the metrics API.
*/}}
{{- define "mcpt-gateway.metricsApiCa" -}}
{{- if .Values.metricsApi.existingSecret }}
{{- .Values.metricsApi.caBundle }}
{{- else }}
{{- index (include "mcpt-gateway.metricsApiMade" . | fromJson) "ca" }}
{{- end }}
{{- end }}

{{/*
Host names that the gateway answers to, besides those that only private networks know.
A leading dot stands for every name below a domain.
*/}}
{{- define "mcpt-gateway.hosts" -}}
{{- $hosts := .Values.allowedHosts }}
{{- if .Values.ingress.enabled }}
{{- $hosts = concat $hosts .Values.ingress.hosts }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- $hosts = concat $hosts .Values.httpRoute.hostnames }}
{{- end }}
{{- $all := list }}
{{- range $hosts }}
{{- $all = append $all (ternary (trimPrefix "*" .) . (hasPrefix "*." .)) }}
{{- end }}
{{- $all | uniq | join "," }}
{{- end }}

{{/*
Whether somebody is asked who he is; empty if not.
*/}}
{{- define "mcpt-gateway.locked" -}}
{{- with .Values.access }}
{{- if or .keys .existingSecret .issuers }}true{{ end }}
{{- end }}
{{- end }}

{{/*
Folder in the pods that has the Secret of this name.
*/}}
{{- define "mcpt-gateway.secretFolder" -}}
{{- printf "/etc/mcpt-servers/%s" . }}
{{- end }}

{{/*
Names of the Secrets that servers are shown, each once, as a JSON list.
*/}}
{{- define "mcpt-gateway.serverSecrets" -}}
{{- $names := list }}
{{- range .Values.servers }}
{{- range .headers }}
{{- with .secret }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
{{- with .tls }}
{{- with .ca }}
{{- $names = append $names .name }}
{{- end }}
{{- with .identity }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
{{- end }}
{{- $names | uniq | sortAlpha | toJson }}
{{- end }}

{{/*
The file of servers: what the values say, with files in place of Secrets.
*/}}
{{- define "mcpt-gateway.servers" -}}
{{- $servers := list }}
{{- range .Values.servers }}
{{- $headers := list }}
{{- range .headers }}
{{- $header := pick . "name" "prefix" "value" }}
{{- with .secret }}
{{- $header = set $header "file" (printf "%s/%s" (include "mcpt-gateway.secretFolder" .name) .key) }}
{{- end }}
{{- $headers = append $headers $header }}
{{- end }}
{{- $server := dict "name" .name "headers" $headers }}
{{- with .urls }}
{{- $server = set $server "urls" . }}
{{- end }}
{{- if hasKey . "tls" }}
{{- $tls := pick .tls "serverName" }}
{{- with .tls.ca }}
{{- $tls = set $tls "ca" (printf "%s/%s" (include "mcpt-gateway.secretFolder" .name) .key) }}
{{- end }}
{{- with .tls.identity }}
{{- $folder := include "mcpt-gateway.secretFolder" .name }}
{{- $tls = set $tls "cert" (printf "%s/tls.crt" $folder) }}
{{- $tls = set $tls "key" (printf "%s/tls.key" $folder) }}
{{- end }}
{{- $server = set $server "tls" $tls }}
{{- end }}
{{- $servers = append $servers $server }}
{{- end }}
{{- dict "servers" $servers | toYaml }}
{{- end }}

{{/*
Value of app.kubernetes.io/name.
*/}}
{{- define "mcp-server.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Name of every object: the release's.
*/}}
{{- define "mcp-server.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "mcp-server.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "mcp-server.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mcp-server.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/*
Labels by which mcpt and its gateway find a server.
*/}}
{{- define "mcp-server.mcptLabels" -}}
mcpt.io/server: {{ .Release.Name }}
{{- with .Values.mcp.template }}
mcpt.io/template: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "mcp-server.labels" -}}
helm.sh/chart: {{ include "mcp-server.chart" . }}
{{ include "mcp-server.selectorLabels" . }}
{{- with .Chart.AppVersion }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "mcp-server.mcptLabels" . }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Labels of pods. Chart and version are left out: a new chart that changes nothing in the pod must not replace it.
*/}}
{{- define "mcp-server.podLabels" -}}
{{ include "mcp-server.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "mcp-server.mcptLabels" . }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
How to speak to the server, for the gateway and for mcpt itself.
*/}}
{{- define "mcp-server.mcptAnnotations" -}}
mcpt.io/path: {{ .Values.mcp.path | quote }}
mcpt.io/transport: {{ .Values.mcp.transport }}
mcpt.io/sessions: {{ .Values.mcp.sessions }}
{{- with .Values.mcp.templateVersion }}
mcpt.io/template-version: {{ . | quote }}
{{- end }}
{{- end }}

{{/*
The key "annotations" with the common ones and those of the object, or nothing.
Call with (dict "root" $ "own" MAP).
*/}}
{{- define "mcp-server.annotations" -}}
{{- $all := merge (dict) (default (dict) .own) .root.Values.annotations }}
{{- with $all }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Claim that holds the workspace.
*/}}
{{- define "mcp-server.claimName" -}}
{{- default (printf "%s-workspace" (include "mcp-server.fullname" .)) .Values.persistence.existingClaim }}
{{- end }}

{{- define "mcp-server.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "mcp-server.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/*
Image reference from repository and tag or digest. Call with (dict "image" IMAGE "tag" DEFAULT-TAG).
*/}}
{{- define "mcp-server.image" -}}
{{- $tag := default .tag .image.tag }}
{{- printf "%s%s%s" .image.repository (ternary "@" ":" (contains ":" $tag)) $tag }}
{{- end }}

{{- define "mcp-server.mcptImage" -}}
{{- include "mcp-server.image" (dict "image" .Values.mcpt.image "tag" .Chart.AppVersion) }}
{{- end }}

{{/*
"true" when the pod needs the mcpt binary: as bridge, or as probe.
*/}}
{{- define "mcp-server.needsMcpt" -}}
{{- $needed := eq .Values.mcp.transport "stdio" }}
{{- range .Values.probes }}
{{- if eq .type "mcp" }}
{{- $needed = true }}
{{- end }}
{{- end }}
{{- if $needed }}true{{ end }}
{{- end }}

{{/*
Host names by which clients from outside reach the server, for those servers that check the Host header.
A leading dot stands for every name below a domain.
*/}}
{{- define "mcp-server.publicHosts" -}}
{{- $hosts := list }}
{{- if .Values.ingress.enabled }}
{{- range .Values.ingress.hosts }}
{{- $hosts = append $hosts (trimPrefix "*" .host) }}
{{- end }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- range .Values.httpRoute.hostnames }}
{{- $hosts = append $hosts (trimPrefix "*" .) }}
{{- end }}
{{- end }}
{{- $hosts | uniq | join "," }}
{{- end }}

{{/*
Text of a value, however YAML read it: numbers are printed in full, never as 1e+06.
*/}}
{{- define "mcp-server.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{/*
One probe of the server's container, or nothing. Call with (dict "root" $ "probe" PROBE "bridgePath" PATH).
*/}}
{{- define "mcp-server.probe" -}}
{{- $mcp := .root.Values.mcp }}
{{- with .probe }}
{{- if eq .type "tcp" }}
tcpSocket:
  port: http
{{- else if eq .type "http" }}
httpGet:
  path: {{ .path | quote }}
  port: http
{{- else if eq $mcp.transport "stdio" }}
httpGet:
  path: {{ $.bridgePath }}
  port: http
{{- else }}
exec:
  command:
    - /mcpt-bin/mcpt
    - probe
    - {{ printf "http://127.0.0.1:%d%s" (int $mcp.port) $mcp.path | quote }}
    - --as-others
    - --timeout
    - {{ max 1 (sub (int .timeoutSeconds) 1) | quote }}
{{- end }}
initialDelaySeconds: {{ .initialDelaySeconds }}
periodSeconds: {{ .periodSeconds }}
timeoutSeconds: {{ .timeoutSeconds }}
failureThreshold: {{ .failureThreshold }}
{{- end }}
{{- end }}

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
app.kubernetes.io/name: {{ include "mcp-server.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/*
Labels by which mcpt and its gateway find a server.
*/}}
{{- define "mcp-server.mcptLabels" -}}
mcpt.io/server: {{ .Release.Name | quote }}
{{- with .Values.mcp.template }}
mcpt.io/template: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "mcp-server.labels" -}}
helm.sh/chart: {{ include "mcp-server.chart" . | quote }}
{{ include "mcp-server.selectorLabels" . }}
{{- with .Chart.AppVersion }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
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
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
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
mcpt.io/transport: {{ .Values.mcp.transport | quote }}
mcpt.io/sessions: {{ .Values.mcp.sessions | quote }}
{{- with .Values.mcp.templateVersion }}
mcpt.io/template-version: {{ . | quote }}
{{- end }}
{{- end }}

{{/*
With how many pods a server is started that is stopped while nobody calls it; nothing when it is not, or is to have no pods.
*/}}
{{- define "mcp-server.idleReplicas" -}}
{{- if gt (int64 .Values.idle.timeoutSeconds) 0 }}
{{- $replicas := int64 (ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled) }}
{{- if gt $replicas 0 }}{{ $replicas }}{{ end }}
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

{{/*
Name of the ConfigMap with the lock of the package, and of the Secret with the settings of its installer.
*/}}
{{- define "mcp-server.packageName" -}}
{{- printf "%s-package" (include "mcp-server.fullname" .) }}
{{- end }}

{{/*
Secret with the settings of the installer, or nothing.
*/}}
{{- define "mcp-server.packageSettings" -}}
{{- if and .Values.package.settings .Values.package.existingSettings }}
{{- fail "package.settings and package.existingSettings are both given: the installer has one Secret" }}
{{- end }}
{{- if .Values.package.settings }}
{{- include "mcp-server.packageName" . }}
{{- else }}
{{- .Values.package.existingSettings }}
{{- end }}
{{- end }}

{{/*
The mounts of the package. On a claim each lock and runtime image has a folder of its own, with a tree for each kind of node; what
is at /mcpt-package then is a link to the one for this node. Call with (dict "root" $ "readOnly" BOOL).
*/}}
{{- define "mcp-server.packageMounts" -}}
- name: package
  mountPath: /mcpt-package
  {{- if .readOnly }}
  readOnly: true
  {{- end }}
{{- with .root.Values.package }}
{{- if .claim }}
- name: packages
  mountPath: /mcpt-packages
  subPath: {{ printf "%s %s" .lock (toJson $.root.Values.image) | sha256sum | trunc 16 | quote }}
  {{- if $.readOnly }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "mcp-server.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "mcp-server.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/*
Image reference NAME[:TAG][@DIGEST] of a block with repository and tag, either of which may carry a tag and a digest.
The grammar is Docker's; values.schema.json has it. Call with (dict "image" IMAGE "tag" DEFAULT-TAG).
*/}}
{{- define "mcp-server.image" -}}
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

{{- define "mcp-server.mcptImage" -}}
{{- include "mcp-server.image" (dict "image" .Values.mcpt.image "tag" .Chart.AppVersion) }}
{{- end }}

{{/*
"true" when the pod needs the mcpt binary: as bridge, as probe, or to install a package.
*/}}
{{- define "mcp-server.needsMcpt" -}}
{{- $needed := or (eq .Values.mcp.transport "stdio") (not (empty .Values.package.lock)) }}
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
A number of pods, or a share of them such as 25%.
*/}}
{{- define "mcp-server.podsOrPercent" -}}
{{- if kindIs "string" . }}{{ quote . }}{{ else }}{{ int64 . }}{{ end }}
{{- end }}

{{/*
How pods are replaced. A volume that one pod at a time can hold must be let go before the next pod can have it.
*/}}
{{- define "mcp-server.strategy" -}}
{{- $alone := "" }}
{{- if and .Values.persistence.enabled .Values.workspace.mounts (has "ReadWriteOncePod" .Values.persistence.accessModes) }}
{{- $alone = "Recreate" }}
{{- $pods := int64 (ternary .Values.autoscaling.maxReplicas .Values.replicaCount .Values.autoscaling.enabled) }}
{{- if gt $pods 1 }}
{{- fail (printf "persistence.accessModes has ReadWriteOncePod, so that one pod alone can hold the volume, but there are to be %d: ReadWriteMany is for several" $pods) }}
{{- end }}
{{- end }}
{{- coalesce .Values.strategy.type $alone "RollingUpdate" }}
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
  path: {{ $.bridgePath | quote }}
  port: http
{{- else }}
exec:
  command:
    - /mcpt-bin/mcpt
    - probe
    - {{ printf "http://localhost:%d%s" (int $mcp.port) $mcp.path | quote }}
    - --as-others
    - --timeout
    - {{ max 1 (sub (int .timeoutSeconds) 1) | quote }}
{{- end }}
{{- /* Kubernetes drops a zero here, and would see a change in it at every apply. */}}
{{- with int64 .initialDelaySeconds }}
initialDelaySeconds: {{ . }}
{{- end }}
periodSeconds: {{ int64 .periodSeconds }}
timeoutSeconds: {{ int64 .timeoutSeconds }}
failureThreshold: {{ default (div (add $mcp.startTimeoutSeconds .periodSeconds -1) .periodSeconds) (int64 .failureThreshold) }}
{{- end }}
{{- end }}

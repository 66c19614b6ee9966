{{- define "who" }}parent{{ end }}
{{- define "only.parent" -}}
{{ printf "%s/%s" .Chart.Name .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

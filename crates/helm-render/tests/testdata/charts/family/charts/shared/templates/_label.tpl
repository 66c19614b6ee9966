{{- define "shared.label" -}}
app: {{ .Chart.Name }}
{{- end }}

{{- define "who" }}child{{ end }}

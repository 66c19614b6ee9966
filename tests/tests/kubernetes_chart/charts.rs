//! The charts that the tests install.

use std::path::Path;

use mcpt_tests::beside_helm::write;

/// What a pod must say to be let into a test's namespace.
const RESTRICTED: &str = "securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}";
const CONTAINER: &str = "image: localhost/busybox:1, imagePullPolicy: IfNotPresent, securityContext: \
                         {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}";

/// A hook that is a job with a shell command.
fn job(name: &str, annotations: &str, command: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {{{{ .Release.Name }}}}-{name}\n  annotations: {{{annotations}}}\n\
         spec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      {RESTRICTED}\n      containers:\n      \
         - {{name: main, command: [sh, -c, '{command}'], {CONTAINER}}}\n"
    )
}

/// A chart of one map, whose hook fails when its values say so.
pub(crate) fn hooked(folder: &Path) -> String {
    let chart = folder.join("hooked");
    let put = |path: &str, text: &str| write(&chart.join(path), text);
    put(
        "Chart.yaml",
        "apiVersion: v2\nname: hooked\nversion: 0.1.0\n",
    );
    put("values.yaml", "word: first\nfails: 'false'\nholds: false\n");
    put(
        "templates/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {word: {{ .Values.word }}}\n",
    );
    let fails = "{{ if eq .Values.fails \"true\" }}echo it fails; exit 3{{ else }}true{{ end }}";
    put(
        "templates/job.yaml",
        &job(
            "job",
            "helm.sh/hook: 'pre-install,pre-upgrade', helm.sh/hook-output-log-policy: 'hook-failed'",
            fails,
        ),
    );
    put(
        "templates/held.yaml",
        &format!(
            "{{{{ if .Values.holds }}}}\n{}{{{{ end }}}}\n",
            job(
                "held",
                "helm.sh/hook: 'post-install,post-upgrade,pre-delete', helm.sh/hook-weight: '1'",
                "sleep 3600",
            )
        ),
    );
    chart.display().to_string()
}

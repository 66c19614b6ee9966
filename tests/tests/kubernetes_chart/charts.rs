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

/// A hook that is a map.
fn map(name: &str, annotations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}-{name}\n  annotations: {{{annotations}}}\n\
         data: {{revision: '{{{{ .Release.Revision }}}}', word: {{{{ .Values.word }}}}}}\n"
    )
}

/// A chart with objects of several kinds, hooks of all events with weights and deletion policies, and a kind of its own.
pub(crate) fn full(folder: &Path, group: &str) -> String {
    let chart = folder.join("full");
    let put = |path: &str, text: &str| write(&chart.join(path), text);
    put(
        "Chart.yaml",
        "apiVersion: v2\nname: full\nversion: 1.2.3\nappVersion: v9\n",
    );
    put(
        "values.yaml",
        "word: first\nsecret: veiled-first\nnumber: 1000000\nextra: false\nbroken: false\nkeep: true\nsub: {on: true}\n",
    );
    put(
        "crds/things.yaml",
        &format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: things.{group}}}\nspec:\n  \
             group: {group}\n  scope: Namespaced\n  names: {{plural: things, singular: thing, kind: Thing}}\n  versions:\n  \
             - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        \
             x-kubernetes-preserve-unknown-fields: true\n"
        ),
    );
    put(
        "templates/objects.yaml",
        &format!(
            "apiVersion: {group}/v1\nkind: Thing\nmetadata: {{name: {{{{ .Release.Name }}}}}}\nspec: {{word: {{{{ .Values.word }}}}}}\n\
             ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {{{{ .Release.Name }}}}}}\ndata:\n  \
             word: {{{{ .Values.word }}}}\n  number: {{{{ .Values.number | quote }}}}\n  upgrade: '{{{{ .Release.IsUpgrade }}}}'\n\
             {{{{- if .Values.extra }}}}\n  extra: more\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {{{{ .Release.Name }}}}-extra}}\n\
             {{{{- end }}}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {{{{ .Release.Name }}}}}}\nstringData: {{word: {{{{ .Values.secret }}}}}}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata: {{name: {{{{ .Release.Name }}}}}}\nspec:\n  selector: {{app: {{{{ .Release.Name }}}}}}\n  \
             ports: [{{port: 80, name: {{{{ .Values.word }}}}}}]\n\
             ---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}-kept\n  annotations: {{helm.sh/resource-policy: keep}}\n\
             {{{{- if .Values.broken }}}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {{{{ .Release.Name }}}}-broken}}\ndata: [1]\n{{{{- end }}}}\n"
        ),
    );
    put(
        "templates/deployment.yaml",
        &format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {{{{ .Release.Name }}}}}}\nspec:\n  replicas: 1\n  \
             selector: {{matchLabels: {{app: {{{{ .Release.Name }}}}}}}}\n  template:\n    metadata: {{labels: {{app: {{{{ .Release.Name }}}}}}}}\n    \
             spec:\n      {RESTRICTED}\n      terminationGracePeriodSeconds: 0\n      containers:\n      \
             - {{name: main, command: [sleep, '3600'], {CONTAINER}, env: [{{name: WORD, value: {{{{ .Values.word }}}}}}]}}\n"
        ),
    );
    for (name, annotations) in [
        ("pre-install", "helm.sh/hook: pre-install"),
        (
            "both",
            "helm.sh/hook: 'post-install,post-upgrade', helm.sh/hook-weight: '5'",
        ),
        (
            "gone",
            "helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: hook-succeeded",
        ),
        (
            "post-rollback",
            "helm.sh/hook: post-rollback, helm.sh/hook-weight: '-5'",
        ),
        (
            "pre-delete",
            "helm.sh/hook: pre-delete, helm.sh/hook-delete-policy: 'before-hook-creation,hook-succeeded'",
        ),
    ] {
        put(&format!("templates/{name}.yaml"), &map(name, annotations));
    }
    put(
        "templates/job.yaml",
        &job(
            "job",
            "helm.sh/hook: pre-upgrade, helm.sh/hook-weight: '3'",
            "true",
        ),
    );
    put(
        "templates/tests/test.yaml",
        &format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{{{ .Release.Name }}}}-test\n  annotations: {{helm.sh/hook: test}}\nspec:\n  \
             restartPolicy: Never\n  {RESTRICTED}\n  containers:\n  - {{name: main, command: [echo, hello], {CONTAINER}}}\n"
        ),
    );
    put(
        "templates/NOTES.txt",
        "\nnotes of {{ .Release.Name }} {{ .Values.word }}\n\n",
    );
    put(
        "charts/sub/Chart.yaml",
        "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
    );
    put("charts/sub/values.yaml", "on: false\n");
    chart.display().to_string()
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

/// A chart with a hook, a map and an object of a kind that no cluster serves.
pub(crate) fn unserved(folder: &Path) -> String {
    let chart = folder.join("unserved");
    let put = |path: &str, text: &str| write(&chart.join(path), text);
    put(
        "Chart.yaml",
        "apiVersion: v2\nname: unserved\nversion: 0.1.0\n",
    );
    put("values.yaml", "word: first\nsecond: false\n");
    put(
        "templates/hook.yaml",
        &map("early", "helm.sh/hook: 'pre-install,pre-upgrade'"),
    );
    put("templates/map.yaml", &map("map", "own: annotation"));
    put(
        "templates/nobody.yaml",
        "apiVersion: nobody.example.com/v1\nkind: Nobody\nmetadata: {name: x}\n{{ if .Values.second }}---\n\
         apiVersion: nobody.example.com/v1\nkind: Other\nmetadata: {name: other, namespace: elsewhere}\n{{ end }}",
    );
    chart.display().to_string()
}

//! Manifests as they may be shown: without the values of Secrets and without secrets elsewhere. Pure.

use helm_install::manifest::{DocumentRef, ManifestError};
use helm_render::split_documents;
use mcpt_core::{REDACTED, Secret};
use serde_json::{Map, Value};

/// A manifest that may be shown: the values of its Secrets are replaced, and `secrets` wherever they are part of a value.
/// Documents without any are as they were.
pub(crate) fn redact(manifest: &str, secrets: &[Secret]) -> Result<String, ManifestError> {
    let mut shown = String::new();
    for (index, document) in split_documents(manifest).into_iter().enumerate() {
        let place = DocumentRef::of(index, document);
        shown.push_str("---\n");
        let mut body = match goyaml::from_str_exact(document) {
            Ok(body) => body,
            Err(source) => return Err(ManifestError::Yaml { place, source }),
        };
        let is_secret = body.get("kind").and_then(Value::as_str) == Some("Secret");
        if is_secret {
            for field in ["data", "stringData"] {
                for value in body
                    .get_mut(field)
                    .and_then(Value::as_object_mut)
                    .into_iter()
                    .flat_map(Map::values_mut)
                {
                    *value = REDACTED.into();
                }
            }
        }
        let has_some = redact_values(&mut body, secrets) > 0;
        // A comment may have some, too.
        if is_secret || has_some || mcpt_core::redact(document, secrets) != document {
            let comments = document
                .lines()
                .map(str::trim)
                .filter(|l| l.starts_with("# Source: "));
            comments.for_each(|line| {
                shown.push_str(line);
                shown.push('\n');
            });
            shown.push_str(
                &goyaml::to_string(&body)
                    .map_err(|source| ManifestError::Write { place, source })?,
            );
        } else {
            shown.push_str(document);
        }
        if !shown.ends_with('\n') {
            shown.push('\n');
        }
    }
    Ok(shown)
}

/// Replaces secrets in all values below, and tells in how many.
pub(crate) fn redact_values(value: &mut Value, secrets: &[Secret]) -> usize {
    let replaced = match value {
        Value::Null => return 0,
        Value::Array(items) => {
            let each = items.iter_mut();
            return each.map(|item| redact_values(item, secrets)).sum();
        }
        Value::Object(fields) => {
            let each = fields.values_mut();
            return each.map(|field| redact_values(field, secrets)).sum();
        }
        Value::String(text) if text == REDACTED => return 0,
        Value::String(text) => Value::from(mcpt_core::redact(text, secrets)),
        // Without quotes a secret may become one of these.
        Value::Bool(_) | Value::Number(_) => {
            let text = value.to_string();
            let number = value.as_f64();
            let same = secrets.iter().any(|secret| {
                let secret = secret.expose().trim();
                secret == text || (number.is_some() && secret.parse().ok() == number)
            });
            if !same {
                return 0;
            }
            REDACTED.into()
        }
    };
    let number = usize::from(replaced != *value);
    *value = replaced;
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let manifest = "---
# Source: c/templates/secret.yaml
apiVersion: v1
kind: Secret
metadata:
  name: s
stringData:
  TOKEN: hunter2
data:
  KEY: aHVudGVyMg==
---
# Source: c/templates/a.yaml
kind: ConfigMap # stays as it is
";
        assert_eq!(
            redact(manifest, &[]).unwrap(),
            "---
# Source: c/templates/secret.yaml
apiVersion: v1
data:
  KEY: '[redacted]'
kind: Secret
metadata:
  name: s
stringData:
  TOKEN: '[redacted]'
---
# Source: c/templates/a.yaml
kind: ConfigMap # stays as it is
"
        );
    }

    /// Those of charts that put secrets elsewhere. What is left is YAML, however short a secret is.
    #[test]
    fn secrets_are_shown_nowhere_else() {
        let manifest = r#"---
# Source: c/templates/d.yaml
kind: Deployment # not hunter2
spec:
  env:
  - {name: A, value: "x-hunter2"}
  - {name: B, value: "a \" b"}
  - {name: C, value: "{\"t\": \"a \\\" b\"}"}
  - {name: D, value: 5e1}
  port: 80
---
# Source: c/templates/a.yaml
kind: ConfigMap # stays as it is
---
kind: ConfigMap # hunter2
"#;
        let secrets = ["hunter2", "a \" b", "a \\\" b", "50", "-"].map(Secret::new);
        assert_eq!(
            redact(manifest, &secrets).unwrap(),
            "---
# Source: c/templates/d.yaml
kind: Deployment
spec:
  env:
  - name: A
    value: x-[redacted]
  - name: B
    value: '[redacted]'
  - name: C
    value: '{\"t\": \"[redacted]\"}'
  - name: D
    value: '[redacted]'
  port: 80
---
# Source: c/templates/a.yaml
kind: ConfigMap # stays as it is
---
kind: ConfigMap
"
        );
    }
}

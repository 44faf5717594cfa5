//! The specification of a pod as somebody wrote it: whether it is one. Pure.

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::Value;

/// Keys of quantities, which may be written as numbers; what they hold may be a map of such.
const QUANTITIES: [&str; 6] = [
    "limits",
    "requests",
    "overhead",
    "sizeLimit",
    "storage",
    "divisor",
];
/// Unknown keys that are told.
const TOLD: usize = 10;

/// Looks whether Kubernetes would take it, and writes numbers that stand for quantities as it wants
/// them. Told are the paths of keys that it does not know.
pub fn check_spec(spec: &mut Value) -> Result<Vec<String>, String> {
    if !spec.is_object() {
        return Err("a map is wanted".to_owned());
    }
    quantities(spec, false);
    let typed: PodSpec = serde_json::from_value(spec.clone()).map_err(|error| tell(&error))?;
    if typed.containers.is_empty() {
        return Err("`containers` is empty or missing".to_owned());
    }
    if typed.containers.iter().any(|one| one.name.is_empty()) {
        return Err("a container has no `name`".to_owned());
    }
    let known = serde_json::to_value(&typed).map_err(|error| tell(&error))?;
    let mut unknown = Vec::new();
    compare(spec, &known, "", &mut unknown);
    Ok(unknown)
}

/// What is wrong, without the value, which may be a secret.
fn tell(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let Some((wrong, wanted)) = text.rsplit_once(", expected ") else {
        // Missing fields, which are quoted by name.
        return text;
    };
    let kind = wrong.split(['`', '"']).next().unwrap_or_default();
    format!("{}, expected {wanted}", kind.trim_end())
}

fn quantities(value: &mut Value, quantity: bool) {
    match value {
        Value::Number(number) if quantity => *value = Value::String(number.to_string()),
        Value::Array(items) => items.iter_mut().for_each(|item| quantities(item, false)),
        Value::Object(fields) => {
            for (key, field) in fields {
                quantities(field, quantity || QUANTITIES.contains(&key.as_str()));
            }
        }
        _ => {}
    }
}

/// Keys that are in what was written and not in what was understood.
fn compare(written: &Value, understood: &Value, path: &str, unknown: &mut Vec<String>) {
    if unknown.len() >= TOLD {
        return;
    }
    match (written, understood) {
        (Value::Object(fields), Value::Object(known)) => {
            for (key, field) in fields.iter().filter(|(_, field)| !field.is_null()) {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match known.get(key) {
                    Some(known) => compare(field, known, &path, unknown),
                    None => unknown.push(path.escape_debug().to_string()),
                }
            }
        }
        (Value::Array(items), Value::Array(known)) => {
            for (index, (item, known)) in items.iter().zip(known).enumerate() {
                compare(item, known, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_specification_is_told_from_something_else() {
        let mut good = json!({
            "containers": [{
                "name": "a",
                "image": "b",
                "resources": {"limits": {"cpu": 2, "memory": "1Gi"}, "requests": {"cpu": 0.5}},
                "ports": [{"containerPort": 80}],
            }],
            "volumes": [{"name": "v", "emptyDir": {"sizeLimit": 1024}}],
            "nodeSelector": null,
        });
        assert_eq!(check_spec(&mut good), Ok(Vec::new()));
        assert_eq!(good["containers"][0]["resources"]["limits"]["cpu"], "2");
        assert_eq!(good["volumes"][0]["emptyDir"]["sizeLimit"], "1024");

        let mut odd = json!({"containers": [{"name": "a", "imag": "b"}], "tolerationz": []});
        let unknown = check_spec(&mut odd).unwrap();
        assert_eq!(unknown, ["containers[0].imag", "tolerationz"]);

        for wrong in [
            json!([]),
            json!({}),
            json!({"containers": []}),
            json!({"containers": [{"image": "a"}]}),
        ] {
            assert!(check_spec(&mut wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_its_value() {
        let mut wrong =
            json!({"containers": [{"name": "a", "env": [{"name": "T", "value": 4711}]}]});
        let error = check_spec(&mut wrong).unwrap_err();
        assert!(
            !error.contains("4711") && error.contains("expected a string"),
            "{error}"
        );
        let mut wrong = json!({"containers": [{"name": "a", "env": "canary"}]});
        let error = check_spec(&mut wrong).unwrap_err();
        assert!(!error.contains("canary"), "{error}");
    }
}

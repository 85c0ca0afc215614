//! What is done to the schemas that are made from types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

/// The schema of each version.
pub(super) fn roots(definition: &mut CustomResourceDefinition) -> impl Iterator<Item = &mut JSONSchemaProps> {
    definition.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
}

/// Takes out every default: what is left out stays out, and the built-in values may change with a release.
pub(super) fn without_defaults(schema: &mut JSONSchemaProps) {
    schema.default = None;
    children(schema).for_each(|(_, child)| without_defaults(child));
}

/// Makes a list one whose items are told apart by a field, so that server-side apply merges them.
pub(super) fn map_list(list: Option<&mut JSONSchemaProps>, key: &str) {
    if let Some(list) = list {
        list.x_kubernetes_list_type = Some("map".to_owned());
        list.x_kubernetes_list_map_keys = Some(vec![key.to_owned()]);
    }
}

/// Takes out what lets a field be null: a null is a field that is left out, and the API server drops it.
pub(super) fn without_nulls(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    children(schema).for_each(|(_, child)| without_nulls(child));
}

/// Calls `f` with every schema at a place: fields with dots between them, `[]` for the items of a list, `{}` for the values of a map, `*` for every field that has fields.
pub(super) fn at(schema: &mut JSONSchemaProps, place: &str, f: &mut dyn FnMut(&mut JSONSchemaProps)) {
    let Some((first, rest)) = place.split_once('.').or((!place.is_empty()).then_some((place, ""))) else { return f(schema) };
    for (name, child) in children(schema) {
        if name == first || (first == "*" && child.type_.as_deref() == Some("object") && !name.ends_with(['}', ']'])) {
            at(child, rest, f);
        }
    }
}

/// The fields of an object by name, the items of a list as `[]`, the values of a map as `{}`.
fn children(schema: &mut JSONSchemaProps) -> impl Iterator<Item = (&str, &mut JSONSchemaProps)> {
    let fields = schema.properties.iter_mut().flatten().map(|(name, field)| (name.as_str(), field));
    let items = schema.items.iter_mut().filter_map(|items| match items {
        JSONSchemaPropsOrArray::Schema(items) => Some(("[]", items.as_mut())),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    });
    let values = schema.additional_properties.iter_mut().filter_map(|values| match values {
        JSONSchemaPropsOrBool::Schema(values) => Some(("{}", values.as_mut())),
        JSONSchemaPropsOrBool::Bool(_) => None,
    });
    fields.chain(items).chain(values)
}

/// Gives each field the words of the field, where kube leaves those of its type, and adds what each of its values means. `said` is the schema that was made of the type, `whole` the one that holds its definitions.
pub(super) fn describe(schema: &mut JSONSchemaProps, said: &Value, whole: &Value) {
    let said = resolved(said, whole);
    for (name, field) in schema.properties.iter_mut().flatten() {
        let words = &said["properties"][name];
        let kind = resolved(words, whole);
        if let Some(description) = words["description"].as_str() {
            let values: Vec<String> = kind["oneOf"].as_array().into_iter().flatten().filter_map(meaning).collect();
            field.description = Some([&[description.to_owned()], values.as_slice()].concat().join(" "));
        }
        describe(field, kind, whole);
    }
}

/// `` `Warn`: it is admitted unwired, with warnings. ``
fn meaning(value: &Value) -> Option<String> {
    Some(format!("`{}`: {}", value["const"].as_str()?, value["description"].as_str()?))
}

/// The schema to which another one refers.
fn resolved<'a>(said: &'a Value, whole: &'a Value) -> &'a Value {
    let reference = said["$ref"].as_str().or_else(|| said["anyOf"].as_array()?.iter().find_map(|one| one["$ref"].as_str()));
    reference.and_then(|reference| whole.pointer(reference.strip_prefix('#')?)).unwrap_or(said)
}

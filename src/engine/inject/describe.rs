//! Edits in a few words, for people who want to see what was added.

use super::edit::Edit;

/// A line for each kind of edit, in the order in which a person would ask.
pub(crate) fn describe(edits: &[Edit]) -> Vec<String> {
    let mut lines: Vec<String> = edits.iter().filter_map(whole).collect();
    lines.extend(environment(edits));
    lines.extend(resources(edits));
    let keys = |of: fn(&Edit) -> Option<&str>| edits.iter().filter_map(of).collect::<Vec<_>>().join(", ");
    let labels = keys(|edit| if let Edit::Label { key, .. } = edit { Some(key) } else { None });
    let annotations = keys(|edit| if let Edit::Annotation { key, .. } = edit { Some(key) } else { None });
    lines.extend(
        [("labels", labels), ("annotations", annotations)]
            .into_iter()
            .filter(|(_, keys)| !keys.is_empty())
            .map(|(what, keys)| format!("{what}: {keys}")),
    );
    lines
}

fn whole(edit: &Edit) -> Option<String> {
    match edit {
        Edit::Grace { seconds } => Some(format!("terminationGracePeriodSeconds {seconds}")),
        Edit::Mount { container, volume, path, .. } => Some(format!("volume {volume} in {container} at {path}")),
        Edit::PreStop { container, seconds, .. } => Some(format!("preStop sleep of {seconds} s on {container}")),
        Edit::Sidecar { list, container, .. } => Some(format!("container {} in {}", container["name"].as_str()?, list.field())),
        Edit::Volume(volume) => Some(format!("volume {}", volume["name"].as_str()?)),
        Edit::Amount { .. } | Edit::Annotation { .. } | Edit::Label { .. } | Edit::PodAmount(_) | Edit::Variables { .. } => None,
    }
}

/// One line a container; a container that gets the same variables as the one before shares its line.
fn environment(edits: &[Edit]) -> Vec<String> {
    let mut groups: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for edit in edits {
        let Edit::Variables { container, variables, .. } = edit else { continue };
        let names: Vec<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
        match groups.iter_mut().find(|(_, known)| *known == names) {
            Some((containers, _)) => containers.push(container),
            None => groups.push((vec![container], names)),
        }
    }
    groups.into_iter().map(|(containers, names)| format!("env of {}: {}", containers.join(", "), names.join(" "))).collect()
}

/// One line for each container's requests and for its limits.
fn resources(edits: &[Edit]) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for edit in edits {
        let (owner, amount) = match edit {
            Edit::Amount { container, amount, .. } => (container.as_str(), amount),
            Edit::PodAmount(amount) => ("the pod", amount),
            _ => continue,
        };
        let (group, amount) = (format!("{} of {owner}", amount.section.word()), format!("{} {}", amount.resource, amount.value));
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, amounts)) => amounts.push(amount),
            None => groups.push((group, vec![amount])),
        }
    }
    groups.into_iter().map(|(group, amounts)| format!("{group}: {}", amounts.join(", "))).collect()
}

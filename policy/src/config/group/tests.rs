use crate::testing::{application_text, errors, set};

const FACTORY: &str = "[[group]]\nname = \"factory\"\ninclude = [{ common_name = \"device-1\" }, { common_name_pattern = 'probe-\\d+' }]\n";

fn file(rules: &str) -> String {
    application_text(&[("non_identity", rules)]) + FACTORY
}

#[test]
fn a_group_stands_for_its_rules_in_include_and_exclude() {
    let set = set(&file(
        "include = [{ organization = \"A\" }, { group = \"factory\" }]\nexclude = [{ group = \"factory\" }]",
    ));
    let policy = &set.iter().next().unwrap().policies()[0];
    let told =
        |rules: &[crate::Rule]| -> Vec<String> { rules.iter().map(ToString::to_string).collect() };
    assert_eq!(
        told(policy.include()),
        [
            "organization = \"A\"",
            "common_name = \"device-1\"",
            "common_name_pattern = 'probe-\\d+'"
        ]
    );
    assert_eq!(told(policy.exclude()), told(&policy.include()[1..]));
}

#[test]
fn what_a_group_cannot_be_is_told_with_its_place() {
    let included = |more: &str| file("include = [{ group = \"factory\" }]") + more;
    for (text, told) in [
        (
            file("include = [{ group = \"fabrik\" }]"),
            "there is no group `fabrik`",
        ),
        (
            file("include = [{ certificate = {} }]\nrequire = [{ group = \"factory\" }]"),
            "`require` is all of them",
        ),
        (
            file("include = [{ group = { id = \"x\" } }]"),
            "there is no rule `group`",
        ),
        (
            included("[[group]]\nname = \"b\"\ninclude = []\n"),
            "an empty list never means everyone",
        ),
        (included(FACTORY), "another group has the same name"),
        (
            included("[[group]]\nname = \"b\"\ninclude = [{ group = \"factory\" }]\n"),
            "a group holds rules, not groups",
        ),
        (
            included("[[group]]\nname = \"b\"\ninclude = [{ common_name = \"a*\" }]\n"),
            "no name holds `*`",
        ),
    ] {
        let errors = errors(&text);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].message.contains(told), "{errors:?}");
        assert!(errors[0].line_and_column(&text).is_some(), "{errors:?}");
    }
}

#[test]
fn a_mistake_in_a_group_is_told_once_however_often_it_is_named() {
    let text = application_text(&[
        ("non_identity", "include = [{ group = \"b\" }]"),
        ("deny", "include = [{ group = \"b\" }]"),
    ]) + "[[group]]\nname = \"b\"\ninclude = [{ common_nam = \"a\" }]\n";
    assert_eq!(errors(&text).len(), 1);
}

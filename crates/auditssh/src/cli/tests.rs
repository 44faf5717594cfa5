use super::*;

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn every_command_and_option_is_described() {
    fn check(command: &clap::Command) {
        assert!(
            command.get_about().is_some(),
            "{} lacks a description",
            command.get_name()
        );
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{} {} lacks a description",
                command.get_name(),
                argument.get_id()
            );
        }
        command.get_subcommands().for_each(check);
    }
    check(&command());
}

#[test]
fn only_verify_fails_with_3() {
    assert_eq!(failure_of(Some(&"verify".into())), UNABLE);
    assert_eq!(failure_of(Some(&"decode".into())), FAILURE);
    assert_eq!(failure_of(None), FAILURE);
}

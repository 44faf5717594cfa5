//! What backends that run programs in containers have in common: which command line runs, with
//! which variables, and how a program in a container tells its process id. All but [`instance`] is
//! pure.

pub mod environment;
pub mod helper;
pub mod instance;
pub mod itself;
pub mod line;
pub mod modes;
pub mod opening;

pub use environment::{Circumstances, Environment};
pub use helper::{GO, Helper, Wrapped};
pub use instance::{Instance, InstanceError};
pub use itself::Itself;
pub use line::{Line, Programs};
pub use opening::{BadOpening, Opening, Step};

/// What names the user of a container or pod, as with ContainerSSH.
pub const USERNAME_LABEL: &str = "containerssh_username";
/// What names the connection.
pub const CONNECTION_LABEL: &str = "containerssh_connection_id";
/// What names the address that the user came from.
pub const IP_LABEL: &str = "containerssh_ip";
/// What names the gateway, see [`Instance`].
pub const INSTANCE_LABEL: &str = "auditssh_instance";
/// What names the run of the gateway: another one each time that it is started.
pub const RUN_LABEL: &str = "auditssh_run";

/// The process that keeps a container without an agent alive: it collects orphans, and ends when it
/// is told to.
pub fn idle_command() -> Vec<String> {
    let script = "trap 'exit 0' INT TERM; while :; do sleep 3600 & wait $!; done";
    [helper::SHELL, "-c", script].map(str::to_owned).to_vec()
}

/// The like of one with an agent.
pub fn idle_command_of(agent: &str) -> Vec<String> {
    let words = [agent, "wait-signal", "--signal", "INT", "--signal", "TERM"];
    words.map(str::to_owned).to_vec()
}

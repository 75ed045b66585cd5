//! Reads settings and secrets from the process's environment.

use edgemcp::platform::Vars;

/// The process's environment variables. One that is not UTF-8 reads as not set.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnvVars;

impl Vars for EnvVars {
    #[expect(clippy::disallowed_methods, reason = "this adapter is where the settings come from")]
    fn var(&self, name: &str) -> Option<String> {
        // The standard library's look-up may panic on such a name on some systems.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var(name).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_was_given_is_read_and_the_rest_is_absent() {
        assert_eq!(EnvVars.var("CARGO_PKG_NAME").as_deref(), Some("edgemcp-native"));
        assert_eq!(EnvVars.var("EDGEMCP_NO_SUCH_VARIABLE"), None);
    }

    #[test]
    fn a_name_no_variable_can_have_is_absent() {
        for name in ["", "A=B", "A\0B", "="] {
            assert_eq!(EnvVars.var(name), None, "{name:?}");
        }
    }
}

//! [`McpMethod`]: what is known of each method of MCP, of all versions, in one table. A further method is one more line of it.

/// A method that clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct McpMethod {
    /// Its name.
    pub name: &'static str,
    /// Which requests there are by it.
    pub sort: MethodSort,
    /// Whether it changes nothing, or nothing that anybody would notice twice: a request may be sent again when nobody knows
    /// what became of it. Tools and whatever is not in the table may do anything.
    pub repeatable: bool,
    /// Whether its result says in 2026-07-28 how long it may be kept.
    pub kept: bool,
    /// Whether a server may ask its client for more by the answer (2026-07-28).
    pub may_ask: bool,
}

/// What is sent by a method, and in which era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodSort {
    /// No request: a notification, of any era.
    Notification,
    /// A request that only the session era has.
    OfSessions,
    /// A request that only the stateless era has.
    Stateless,
    /// A request of both eras.
    OfBoth,
}

/// All of them, by their names.
static METHODS: [McpMethod; 31] = [
    of_both("completion/complete").repeatable(),
    of_sessions("initialize").repeatable(),
    of_sessions("logging/setLevel"),
    notification("notifications/cancelled"),
    notification("notifications/elicitation/complete"),
    notification("notifications/initialized"),
    notification("notifications/message"),
    notification("notifications/progress"),
    notification("notifications/prompts/list_changed"),
    notification("notifications/resources/list_changed"),
    notification("notifications/resources/updated"),
    notification("notifications/roots/list_changed"),
    notification("notifications/tasks/status"),
    notification("notifications/tools/list_changed"),
    of_sessions("ping").repeatable(),
    of_both("prompts/get").repeatable().may_ask(),
    of_both("prompts/list").repeatable().kept(),
    of_both("resources/list").repeatable().kept(),
    of_both("resources/read").repeatable().kept().may_ask(),
    of_sessions("resources/subscribe"),
    of_both("resources/templates/list").repeatable().kept(),
    of_sessions("resources/unsubscribe"),
    stateless("server/discover").repeatable().kept(),
    stateless("subscriptions/listen").repeatable(),
    of_sessions("tasks/cancel"),
    of_sessions("tasks/get").repeatable(),
    of_sessions("tasks/list"),
    of_sessions("tasks/result"),
    of_sessions("tasks/update"),
    of_both("tools/call").may_ask(),
    of_both("tools/list").repeatable().kept(),
];

impl McpMethod {
    /// The one of that name; `None` when nobody knows it.
    pub fn find(name: &str) -> Option<&'static Self> {
        let place = METHODS.binary_search_by_key(&name, |method| method.name);
        place.ok().map(|place| &METHODS[place])
    }

    const fn new(name: &'static str, sort: MethodSort) -> Self {
        Self {
            name,
            sort,
            repeatable: false,
            kept: false,
            may_ask: false,
        }
    }

    const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    const fn kept(mut self) -> Self {
        self.kept = true;
        self
    }

    const fn may_ask(mut self) -> Self {
        self.may_ask = true;
        self
    }
}

const fn notification(name: &'static str) -> McpMethod {
    McpMethod::new(name, MethodSort::Notification)
}

const fn of_sessions(name: &'static str) -> McpMethod {
    McpMethod::new(name, MethodSort::OfSessions)
}

const fn stateless(name: &'static str) -> McpMethod {
    McpMethod::new(name, MethodSort::Stateless)
}

const fn of_both(name: &'static str) -> McpMethod {
    McpMethod::new(name, MethodSort::OfBoth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        assert!(METHODS.is_sorted_by_key(|method| method.name));
        for method in &METHODS {
            assert_eq!(McpMethod::find(method.name), Some(method));
        }
        for unknown in ["", "tools", "tools/lists", "somebody/else"] {
            assert_eq!(McpMethod::find(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn notifications_are_nothing_but_that() {
        for method in &METHODS {
            let is_one = method.sort == MethodSort::Notification;
            assert_eq!(
                method.name.starts_with("notifications/"),
                is_one,
                "{method:?}"
            );
            assert!(!is_one || *method == notification(method.name));
        }
    }
}

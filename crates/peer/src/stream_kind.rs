//! The two kinds of stream between members.

use std::fmt;

/// The two kinds of stream between members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamKind {
    /// Appends only ([`append_stream`](crate::append_stream)).
    Appends,
    /// All messages ([`message_stream`](crate::message_stream)).
    Messages,
}

impl StreamKind {
    /// The last part of the path before the sender.
    pub(crate) const fn segment(self) -> &'static str {
        match self {
            Self::Appends => "msgapp",
            Self::Messages => "message",
        }
    }

    pub(crate) fn of_segment(segment: &str) -> Option<Self> {
        [Self::Appends, Self::Messages].into_iter().find(|kind| kind.segment() == segment)
    }

    /// Go's name in log lines.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Appends => "stream MsgApp v2",
            Self::Messages => "stream Message",
        }
    }

    /// Go's name of the queue in log lines.
    pub(crate) const fn queue_name(self) -> &'static str {
        match self {
            Self::Appends => "streamMsgAppV2",
            Self::Messages => "streamMsg",
        }
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! What kinds of records there are, which fields each has, and what a field must look like.
//!
//! The tables follow upstream fray (adamavenir/fray, `internal/db/jsonl_records_*.go` at 04cca61 and
//! `internal/db/jsonl_read_*.go` at 83c8ef6); `again`, `hlc`, `owner` and `prev` are this project's own.

/// What the JSON text of a field must look like. `null` is allowed everywhere and means absent.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Shape {
    /// Anything.
    Any,
    /// `true` or `false`.
    Flag,
    /// A whole number that fits 64 bits.
    Int,
    /// An object whose values are lists of strings.
    TextLists,
    /// An object whose values are strings.
    TextMap,
    /// A string.
    Text,
    /// A list of strings.
    Texts,
}

/// Room for a table of names, a few times more than there are names.
const TABLE_LEN: usize = 1024;
/// Where no name is.
const NOBODY: u8 = u8::MAX;

/// Where the search for a name starts: names differ in their length and in these three letters mostly.
const fn place(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let (first, middle, last) =
        (name[0] as usize, name[name.len() / 2] as usize, name[name.len() - 1] as usize);
    (name.len() * 61 + first * 17 + middle * 131 + last * 7) % TABLE_LEN
}

/// A hash table of names, worked out at compile time: a chain of comparisons would take most of the time that
/// reading a line takes.
const fn table(names: &[&str]) -> [u8; TABLE_LEN] {
    let mut table = [NOBODY; TABLE_LEN];
    let mut at = 0;
    while at < names.len() {
        let mut place = place(names[at].as_bytes());
        while table[place] != NOBODY {
            place = (place + 1) % TABLE_LEN;
        }
        assert!(at < NOBODY as usize, "names are numbered by one byte");
        table[place] = at as u8;
        at += 1;
    }
    table
}

fn find(table: &[u8; TABLE_LEN], names: &[&str], name: &str) -> Option<usize> {
    let mut place = place(name.as_bytes());
    loop {
        let at = table[place];
        if at == NOBODY {
            return None;
        }
        if names[usize::from(at)] == name {
            return Some(usize::from(at));
        }
        place = (place + 1) % TABLE_LEN;
    }
}

macro_rules! fields {
    ($($variant:ident $name:literal $shape:ident),* $(,)?) => {
        /// The name of a field that some kind of record has.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Field {
            const SHAPES: &[Shape] = &[$(Shape::$shape),*];
            const NAMES: &[&str] = &[$($name),*];
            const KEYS: &[&str] = &[$(concat!("\"", $name, "\":")),*];

            /// The field of this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                const ALL: &[Field] = &[$(Field::$variant),*];
                const TABLE: [u8; TABLE_LEN] = table(Field::NAMES);
                find(&TABLE, Self::NAMES, name).map(|at| ALL[at])
            }
        }
    };
}

fields! {
    ActiveStatus "active_status" Text, AddedAt "added_at" Int, AddedBy "added_by" Text, Again "again" Int,
    AgentId "agent_id" Text, AnchorHidden "anchor_hidden" Flag, AnchorMessageGuid "anchor_message_guid" Text,
    AnsweredIn "answered_in" Text, ArchivedAt "archived_at" Int, AskedIn "asked_in" Text,
    AssignedAt "assigned_at" Int, At "at" Int, Avatar "avatar" Text, Bio "bio" Text, Body "body" Text,
    Capabilities "capabilities" Texts, ChannelId "channel_id" Text, CreatedAt "created_at" Any,
    DeletedBy "deleted_by" Text, DisplayName "display_name" Text, DroppedAt "dropped_at" Int,
    DurationMs "duration_ms" Int, EditedAt "edited_at" Int, Emoji "emoji" Text, EndedAt "ended_at" Int,
    ExitCode "exit_code" Int, ExpiresAt "expires_at" Int, FavedAt "faved_at" Int,
    ForkSessions "fork_sessions" TextMap, From "from" Text, FromAgent "from_agent" Text,
    GlobalName "global_name" Text, Goal "goal" Text, Guid "guid" Text, Hlc "hlc" Any, Home "home" Text,
    HomeChannel "home_channel" Text, Id "id" Text, Invoke "invoke" Any, ItemGuid "item_guid" Text,
    ItemType "item_type" Text, LastActivityAt "last_activity_at" Int, LastHeartbeat "last_heartbeat" Int,
    LastSeen "last_seen" Int, LastSessionId "last_session_id" Text, LeftAt "left_at" Int,
    Managed "managed" Flag, MentionWatermark "mention_watermark" Text, Mentions "mentions" Texts,
    MessageGuid "message_guid" Text, MessageType "message_type" Text, MovedAt "moved_at" Int,
    MovedBy "moved_by" Text, MustRead "must_read" Flag, MutedAt "muted_at" Int, Name "name" Text,
    NewHome "new_home" Text, OldHome "old_home" Text, Options "options" Any, Origin "origin" Text,
    Owner "owner" Text, ParentThread "parent_thread" Text, PinnedAt "pinned_at" Int, PinnedBy "pinned_by" Text,
    Presence "presence" Text, Prev "prev" Text, Purpose "purpose" Text,
    QuoteMessageGuid "quote_message_guid" Text, Re "re" Text, ReactedAt "reacted_at" Int,
    Reactions "reactions" TextLists, Reason "reason" Text, References "references" Text,
    RegisteredAt "registered_at" Int, RemovedAt "removed_at" Int, RemovedBy "removed_by" Text,
    ReplyTo "reply_to" Text, RoleName "role_name" Text, Seq "seq" Int, SessionId "session_id" Text,
    SessionMode "session_mode" Text, SetAt "set_at" Int, ShutdownAt "shutdown_at" Int, Source "source" Text,
    StartedAt "started_at" Int, Status "status" Text, StoppedAt "stopped_at" Int,
    Subscribed "subscribed" Texts, SubscribedAt "subscribed_at" Int, SurfaceMessage "surface_message" Text,
    Target "target" Text, ThreadGuid "thread_guid" Text, ThreadId "thread_id" Text,
    ThreadType "thread_type" Text, To "to" Text, TriggeredBy "triggered_by" Text, Ts "ts" Int,
    UnfavedAt "unfaved_at" Int, UnmutedAt "unmuted_at" Int, UnpinnedAt "unpinned_at" Int,
    UnpinnedBy "unpinned_by" Text, UnsubscribedAt "unsubscribed_at" Int,
}

impl Field {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::NAMES.len();

    /// The name as it stands in a record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// What stands before its value in a record without white space: the name in quotation marks, and a colon.
    #[must_use]
    pub const fn key(self) -> &'static str {
        Self::KEYS[self as usize]
    }

    /// What its value must look like.
    #[must_use]
    pub const fn shape(self) -> Shape {
        Self::SHAPES[self as usize]
    }
}

/// Which file of a machine a record belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Log {
    /// `messages.jsonl`
    Messages,
    /// `threads.jsonl`
    Threads,
    /// `questions.jsonl`
    Questions,
    /// `agent-state.jsonl`
    AgentState,
    /// `runtime.jsonl`, which never leaves the machine.
    Runtime,
}

impl Log {
    /// The four logs that are shared.
    pub const SHARED: [Self; 4] = [Self::Messages, Self::Threads, Self::Questions, Self::AgentState];

    /// The name of the file.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Messages => "messages.jsonl",
            Self::Threads => "threads.jsonl",
            Self::Questions => "questions.jsonl",
            Self::AgentState => "agent-state.jsonl",
            Self::Runtime => "runtime.jsonl",
        }
    }

    /// The log that a file of this name holds.
    #[must_use]
    pub fn from_file_name(name: &str) -> Option<Self> {
        Self::SHARED.into_iter().chain([Self::Runtime]).find(|log| log.file_name() == name)
    }
}

/// What a record is about; records with the same subject are merged with each other.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Subject {
    /// A message: its creation, edits, moves, reactions, deletion.
    Message,
    /// A thread: its creation, changes, subscribers, messages, pin, mutes, deletion.
    Thread,
    /// A question and its progress.
    Question,
    /// What an agent likes.
    Fave,
    /// A role an agent holds.
    Role,
    /// A role an agent plays during a session.
    SessionRole,
    /// Where an agent is told to read on.
    Cursor,
    /// What an agent says of itself.
    Descriptor,
    /// A message pinned in a thread.
    Pin,
    /// An agent as this machine runs it.
    Agent,
    /// A session of an agent on this machine.
    Session,
    /// A record of an unknown kind: kept in its file, merged with nothing.
    Unknown,
}

macro_rules! kinds {
    ($($variant:ident $name:literal $log:ident $subject:ident [$($key:ident)*] [$($time:ident)*] [$($field:ident)*];)*) => {
        /// The kind of a record: its `type`.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u8)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// Any other; such a record stays in its file and is counted.
            Unknown,
        }

        const NAMES: &[&str] = &[$($name),*];
        const LOGS: &[Log] = &[$(Log::$log),*];
        const SUBJECTS: &[Subject] = &[$(Subject::$subject),*];
        const KEYS: &[&[Field]] = &[$(&[$(Field::$key),*]),*];
        const TIMES: &[&[Field]] = &[$(&[$(Field::$time,)* Field::Ts]),*];
        const FIELDS: &[&[Field]] = &[$(&[
            $(Field::$key,)* $(Field::$time,)* $(Field::$field,)* Field::Ts, Field::Seq, Field::Origin, Field::Hlc,
            Field::Prev,
        ]),*];

        impl Kind {
            /// Every kind but the unknown.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The kind of this name.
            #[must_use]
            pub fn from_name(name: &str) -> Self {
                const TABLE: [u8; TABLE_LEN] = table(NAMES);
                find(&TABLE, NAMES, name).map_or(Self::Unknown, |at| Self::ALL[at])
            }
        }
    };
}

// name, log, subject, [what names the subject], [fields that tell the time, before `ts`], [other fields]
kinds! {
    Message "message" Messages Message [Id] []
        [ChannelId Home FromAgent SessionId Body Mentions ForkSessions Reactions MessageType References
         SurfaceMessage ReplyTo QuoteMessageGuid EditedAt ArchivedAt];
    MessageUpdate "message_update" Messages Message [Id] [EditedAt ArchivedAt] [Body Reactions Reason];
    MessageDelete "message_delete" Messages Message [Id] [] [DeletedBy];
    MessageMove "message_move" Messages Message [MessageGuid] [MovedAt] [OldHome NewHome MovedBy];
    Reaction "reaction" Messages Message [MessageGuid] [ReactedAt] [AgentId Emoji];
    Thread "thread" Threads Thread [Guid] [CreatedAt]
        [Name ParentThread Subscribed Status ThreadType AnchorMessageGuid AnchorHidden LastActivityAt];
    ThreadUpdate "thread_update" Threads Thread [Guid] [LastActivityAt]
        [Name ParentThread Status ThreadType AnchorMessageGuid AnchorHidden];
    ThreadDelete "thread_delete" Threads Thread [ThreadId] [] [Guid];
    ThreadSubscribe "thread_subscribe" Threads Thread [ThreadGuid] [SubscribedAt] [AgentId];
    ThreadUnsubscribe "thread_unsubscribe" Threads Thread [ThreadGuid] [UnsubscribedAt] [AgentId];
    ThreadMessage "thread_message" Threads Thread [ThreadGuid] [AddedAt] [MessageGuid AddedBy];
    ThreadMessageRemove "thread_message_remove" Threads Thread [ThreadGuid] [RemovedAt] [MessageGuid RemovedBy];
    ThreadPin "thread_pin" Threads Thread [ThreadGuid] [PinnedAt] [PinnedBy];
    ThreadUnpin "thread_unpin" Threads Thread [ThreadGuid] [UnpinnedAt] [UnpinnedBy];
    ThreadMute "thread_mute" Threads Thread [ThreadGuid] [MutedAt] [AgentId ExpiresAt];
    ThreadUnmute "thread_unmute" Threads Thread [ThreadGuid] [UnmutedAt] [AgentId];
    MessagePin "message_pin" Threads Pin [MessageGuid ThreadGuid] [PinnedAt] [PinnedBy];
    MessageUnpin "message_unpin" Threads Pin [MessageGuid ThreadGuid] [UnpinnedAt] [UnpinnedBy];
    Question "question" Questions Question [Guid] [CreatedAt]
        [Re FromAgent To Status ThreadGuid AskedIn AnsweredIn Options];
    QuestionUpdate "question_update" Questions Question [Guid] [] [To Status ThreadGuid AskedIn AnsweredIn];
    AgentDescriptor "agent_descriptor" AgentState Descriptor [AgentId] [] [DisplayName Capabilities];
    GhostCursor "ghost_cursor" AgentState Cursor [AgentId Home] [SetAt] [MessageGuid MustRead Target Again];
    CursorClear "cursor_clear" AgentState Cursor [AgentId Home] [] [Again];
    AgentFave "agent_fave" AgentState Fave [AgentId ItemType ItemGuid] [FavedAt] [Again];
    AgentUnfave "agent_unfave" AgentState Fave [AgentId ItemType ItemGuid] [UnfavedAt] [];
    FaveRemove "fave_remove" AgentState Fave [AgentId ItemType ItemGuid] [] [Again];
    RoleHold "role_hold" AgentState Role [AgentId RoleName] [AssignedAt] [Again];
    RoleDrop "role_drop" AgentState Role [AgentId RoleName] [DroppedAt] [];
    RoleRelease "role_release" AgentState Role [AgentId RoleName] [] [Again];
    RolePlay "role_play" AgentState SessionRole [AgentId RoleName] [StartedAt] [SessionId];
    RoleStop "role_stop" AgentState SessionRole [AgentId RoleName] [StoppedAt] [];
    Agent "agent" Runtime Agent [AgentId] []
        [Id Name GlobalName HomeChannel CreatedAt ActiveStatus Status Purpose Avatar Goal Bio RegisteredAt
         LastSeen LeftAt Managed Invoke Presence MentionWatermark LastHeartbeat SessionMode LastSessionId];
    AgentUpdate "agent_update" Runtime Agent [AgentId] []
        [Status Purpose Avatar LastSeen LeftAt Managed Invoke Presence MentionWatermark LastHeartbeat
         SessionMode LastSessionId];
    PresenceEvent "presence_event" Runtime Agent [AgentId] [] [From To Status Reason Source];
    SessionStart "session_start" Runtime Session [SessionId] [StartedAt] [AgentId TriggeredBy ThreadGuid];
    SessionHeartbeat "session_heartbeat" Runtime Session [SessionId] [At] [AgentId Status];
    SessionEnd "session_end" Runtime Session [SessionId] [EndedAt] [AgentId ExitCode DurationMs];
    SessionShutdown "session_shutdown" Runtime Session [SessionId] [ShutdownAt] [AgentId];
}

const FIELDS_MAX: usize = Field::NAMES.len();
const KINDS_MAX: usize = NAMES.len();
/// Where a kind lacks a field.
const NO_SLOT: u8 = u8::MAX;

/// For every kind and field the slot the value lies in, worked out at compile time.
const SLOTS: [[u8; FIELDS_MAX]; KINDS_MAX] = {
    let mut slots = [[NO_SLOT; FIELDS_MAX]; KINDS_MAX];
    let mut kind = 0;
    while kind < KINDS_MAX {
        let mut slot: u8 = 0;
        let mut at = 0;
        while at < FIELDS[kind].len() {
            let field = FIELDS[kind][at] as usize;
            if slots[kind][field] == NO_SLOT {
                slots[kind][field] = slot;
                slot += 1;
            }
            at += 1;
        }
        kind += 1;
    }
    slots
};

const COUNTS: [u8; KINDS_MAX] = {
    let mut counts = [0; KINDS_MAX];
    let mut kind = 0;
    while kind < KINDS_MAX {
        let mut field = 0;
        while field < FIELDS_MAX {
            if SLOTS[kind][field] != NO_SLOT {
                counts[kind] += 1;
            }
            field += 1;
        }
        kind += 1;
    }
    counts
};

impl Kind {
    /// The `type` as it stands in a record; empty for the unknown.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(self as usize).copied().unwrap_or("")
    }

    /// Which file it belongs to; nothing for the unknown.
    #[must_use]
    pub fn log(self) -> Option<Log> {
        LOGS.get(self as usize).copied()
    }

    /// What it is about.
    #[must_use]
    pub fn subject(self) -> Subject {
        SUBJECTS.get(self as usize).copied().unwrap_or(Subject::Unknown)
    }

    /// The fields that name its subject, at most three.
    #[must_use]
    pub fn key(self) -> &'static [Field] {
        KEYS.get(self as usize).copied().unwrap_or(&[])
    }

    /// The fields that tell its time, the first that is there decides.
    #[must_use]
    pub fn times(self) -> &'static [Field] {
        TIMES.get(self as usize).copied().unwrap_or(&[Field::Ts])
    }

    /// The fields it may have; some may be named twice.
    #[must_use]
    pub fn fields(self) -> &'static [Field] {
        FIELDS.get(self as usize).copied().unwrap_or(&[])
    }

    /// Whether it brings its subject into being.
    #[must_use]
    pub fn creates(self) -> bool {
        matches!(self, Self::Message | Self::Thread | Self::Question)
    }

    /// How many slots its values take.
    pub(crate) fn slots(self) -> usize {
        COUNTS.get(self as usize).map_or(0, |&count| usize::from(count))
    }

    /// The slot a field's value lies in.
    pub(crate) fn slot(self, field: Field) -> Option<usize> {
        let slot = *SLOTS.get(self as usize)?.get(field as usize)?;
        (slot != NO_SLOT).then_some(usize::from(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_name() {
        for &kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), kind);
            for &field in kind.fields() {
                assert_eq!(Field::from_name(field.name()), Some(field));
            }
        }
        for log in Log::SHARED {
            assert_eq!(Log::from_file_name(log.file_name()), Some(log));
        }
    }

    #[test]
    fn every_slot_is_used_once() {
        for &kind in Kind::ALL {
            let mut slots: Vec<_> = kind.fields().iter().map(|&field| kind.slot(field).unwrap()).collect();
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots, (0..kind.slots()).collect::<Vec<_>>(), "{}", kind.name());
        }
    }
}

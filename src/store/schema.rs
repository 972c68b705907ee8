//! The tables, for both databases. A test compares them with the migrations.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use crate::store::timestamp::UtcMicros;

    shared_chats (id) {
        id -> Text,
        chat_session_id -> Nullable<Text>,
        owner_id -> Nullable<Text>,
        name -> Nullable<Text>,
        name_folded -> Text,
        shared_by -> Nullable<Text>,
        label -> Nullable<Text>,
        is_private -> Bool,
        is_frozen -> Bool,
        is_legacy -> Bool,
        includes_artifacts -> Bool,
        created_at -> UtcMicros,
        updated_at -> UtcMicros,
        expires_at -> Nullable<UtcMicros>,
        revision -> BigInt,
        audience -> Nullable<Text>,
    }
}

table! {
    snapshots (shared_chat_id) {
        shared_chat_id -> Text,
        messages -> Binary,
        files -> Text,
    }
}

table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::store::timestamp::UtcMicros;

    chats (chat_session_id) {
        chat_session_id -> Text,
        deleted_at -> Nullable<UtcMicros>,
    }
}

table! {
    use diesel::sql_types::{Binary, Text};
    use crate::store::timestamp::UtcMicros;

    idempotency_keys (caller_id, owner_id, key) {
        caller_id -> Text,
        owner_id -> Text,
        key -> Text,
        request_hash -> Binary,
        shared_chat_id -> Text,
        created_at -> UtcMicros,
    }
}

table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::store::timestamp::UtcMicros;

    artifacts (object_key) {
        object_key -> Text,
        shared_chat_id -> Nullable<Text>,
        artifact_id -> Text,
        filename -> Text,
        bytes -> BigInt,
        created_at -> UtcMicros,
        leased_until -> Nullable<UtcMicros>,
    }
}

table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::store::timestamp::UtcMicros;

    audit_records (at, id) {
        at -> UtcMicros,
        id -> BigInt,
        actor_kind -> Text,
        actor_id -> Nullable<Text>,
        action -> Text,
        result -> Text,
        link -> Nullable<Text>,
        chat -> Nullable<Text>,
        client -> Nullable<Text>,
        request_id -> Nullable<Text>,
        times -> BigInt,
        detail -> Nullable<Text>,
    }
}

table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::store::timestamp::UtcMicros;

    link_activity (shared_chat_id) {
        shared_chat_id -> Text,
        views -> BigInt,
        bot_views -> BigInt,
        downloads -> BigInt,
        last_viewed_at -> Nullable<UtcMicros>,
    }
}

table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::store::timestamp::UtcMicros;

    policy (id) {
        id -> BigInt,
        document -> Text,
        revision -> BigInt,
        changed_at -> UtcMicros,
        changed_by -> Nullable<Text>,
    }
}

table! {
    use diesel::sql_types::Text;
    use crate::store::timestamp::UtcMicros;

    ended_users (user_id) {
        user_id -> Text,
        ended_at -> UtcMicros,
    }
}

joinable!(snapshots -> shared_chats (shared_chat_id));
allow_tables_to_appear_in_same_query!(
    shared_chats,
    snapshots,
    chats,
    idempotency_keys,
    artifacts,
    policy,
    link_activity
);

-- Public encryption keys, written by homeserver/e2ee only. What says "sealed" is encrypted under the data key of user_id.

-- Identity keys of devices. hash: SHA-256 of the canonical JSON, to notice a repeated upload.
create table e2ee_devices (
    user_id    text   not null,
    device_id  text   not null,
    identity   text   not null, -- ed25519 public key
    hash       bytea  not null,
    keys       bytea  not null, -- sealed JSON object as uploaded
    primary key (user_id, device_id)
);

-- One-time keys. A claimed key stays for a while without its content, so that a repeated upload cannot bring it back.
create table e2ee_one_time_keys (
    user_id    text   not null,
    device_id  text   not null,
    algorithm  text   not null,
    key_id     text   not null,
    added      bigint not null, -- number of the upload, per device
    claimed    bigint not null, -- 0 or when, in milliseconds
    hash       bytea  not null,
    content    bytea  not null, -- sealed JSON; empty when claimed
    primary key (user_id, device_id, algorithm, key_id)
);
create index e2ee_one_time_keys_next on e2ee_one_time_keys (user_id, device_id, algorithm, claimed, added);

create table e2ee_fallback_keys (
    user_id    text   not null,
    device_id  text   not null,
    algorithm  text   not null,
    key_id     text   not null,
    used       bigint not null, -- 1 once given to somebody
    hash       bytea  not null,
    content    bytea  not null, -- sealed JSON
    primary key (user_id, device_id, algorithm)
);

create table e2ee_cross_signing_keys (
    user_id    text   not null,
    usage      text   not null, -- master, self_signing, user_signing
    public_key text   not null, -- ed25519
    hash       bytea  not null,
    content    bytea  not null, -- sealed JSON object as uploaded
    primary key (user_id, usage)
);

-- Signatures added after the upload, on devices (key_id is the device) and master keys (key_id is the public key).
create table e2ee_signatures (
    user_id    text   not null, -- whose key is signed
    key_id     text   not null,
    signer     text   not null,
    signer_key text   not null, -- with its algorithm, as ed25519:ABC
    signature  text   not null,
    primary key (user_id, key_id, signer, signer_key)
);
create index e2ee_signatures_signer on e2ee_signatures (signer, signer_key);

create table e2ee_backup_versions (
    user_id    text   not null,
    version    bigint not null,
    algorithm  text   not null,
    auth_data  bytea  not null, -- sealed JSON; empty when deleted
    etag       bigint not null, -- counts changes
    count      bigint not null, -- stored sessions
    deleted    bigint not null, -- 0, or 1: kept so that its number is never used again
    primary key (user_id, version)
);

create table e2ee_backup_keys (
    user_id             text   not null,
    version             bigint not null,
    room_id             text   not null,
    session_id          text   not null,
    is_verified         bigint not null,
    first_message_index bigint not null,
    forwarded_count     bigint not null,
    content             bytea  not null, -- sealed session_data
    primary key (user_id, version, room_id, session_id)
);

create table e2ee_dehydrated_devices (
    user_id    text   not null primary key,
    device_id  text   not null,
    content    bytea  not null -- sealed device_data
);

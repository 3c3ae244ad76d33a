-- The schema after all files of schema/. Made by: go test ./db -run TestSchema -update

CREATE TABLE account_addresses (
	hash      text   not null primary key,
	user_id   text   not null,
	body      blob  not null,
	validated integer not null,
	added     integer not null
) strict;

CREATE INDEX account_addresses_user on account_addresses (user_id);

CREATE TABLE account_changes (
	epoch   integer not null primary key,
	user_id text   not null,
	at      integer not null
) strict;

CREATE TABLE account_data (
	user_id text  not null,
	room_id text  not null,
	type    text  not null,
	content blob not null,
	primary key (user_id, room_id, type)
) strict;

CREATE TABLE account_devices (
	user_id   text   not null,
	device_id text   not null,
	name      blob,
	created   integer not null,
	seen      integer not null,
	seen_from blob,
	primary key (user_id, device_id)
) strict;

CREATE TABLE account_filters (
	user_id   text  not null,
	filter_id text  not null,
	content   blob not null,
	primary key (user_id, filter_id)
) strict;

CREATE TABLE account_grants (
	hash    blob  not null primary key,
	kind    text   not null,
	user_id text   not null,
	expires integer not null
) strict;

CREATE INDEX account_grants_expires on account_grants (expires);

CREATE TABLE account_tokens (
	token_id     integer not null primary key,
	access_hash  blob  not null unique,
	refresh_hash blob  unique,
	user_id      text   not null,
	device_id    text   not null,
	created      integer not null,
	expires      integer not null,
	parent       integer not null
) strict;

CREATE INDEX account_tokens_device on account_tokens (user_id, device_id);

CREATE TABLE account_users (
	user_id  text   not null primary key,
	password text,
	state    integer not null,
	admin    integer not null,
	guest    integer not null,
	created  integer not null,
	profile  blob,
	suspended integer not null default 0
) strict;

CREATE TABLE appservice (
	id         text   not null primary key,
	pos        integer not null,
	until      integer not null,
	holder     text   not null,
	held_until integer not null
) strict;

CREATE TABLE audit_checkpoint (
	number integer primary key,
	time   integer not null,
	size   integer not null,
	note   text not null
) strict;

CREATE TABLE audit_index (
	kind    text not null,
	value   text not null,
	chunk   integer not null,
	numbers blob not null,
	primary key (kind, value, chunk)
)
without rowid, strict;

CREATE TABLE audit_key (
	one    integer primary key check (one = 1),
	public text not null,
	sealed blob not null
) strict;

CREATE TABLE audit_leaf (
	number  integer primary key,
	time    integer not null,
	act     text not null,
	who     text not null,
	device  text not null,
	room    text not null,
	target  text not null,
	outcome text not null,
	sealed  blob,
	tag     blob not null,
	hash    blob not null
) strict;

CREATE TABLE audit_read_once (
	day   integer not null,
	token blob not null,
	primary key (day, token)
)
without rowid, strict;

CREATE TABLE audit_tile (
	level  integer not null,
	number integer not null,
	hashes blob not null,
	primary key (level, number)
) strict;

CREATE TABLE delayed_event (
    delay_id  text   not null primary key,
    user_id   text   not null,
    device_id text   not null,
    room_id   text   not null,
    type      text   not null,
    state_key text,
    txn       text,
    replaces  text   not null,
    delay     integer not null,
    since     integer not null,
    due       integer not null,
    done      integer not null,
    content   blob  not null
) strict;

CREATE INDEX delayed_event_due on delayed_event (done, due);

CREATE UNIQUE INDEX delayed_event_txn on delayed_event (user_id, device_id, room_id, type, txn) where txn is not null;

CREATE INDEX delayed_event_user on delayed_event (user_id, done, due);

CREATE TABLE e2ee_backup_keys (
    user_id             text   not null,
    version             integer not null,
    room_id             text   not null,
    session_id          text   not null,
    is_verified         integer not null,
    first_message_index integer not null,
    forwarded_count     integer not null,
    content             blob  not null,
    primary key (user_id, version, room_id, session_id)
) strict;

CREATE TABLE e2ee_backup_versions (
    user_id    text   not null,
    version    integer not null,
    algorithm  text   not null,
    auth_data  blob  not null,
    etag       integer not null,
    count      integer not null,
    deleted    integer not null,
    primary key (user_id, version)
) strict;

CREATE TABLE e2ee_cross_signing_keys (
    user_id    text   not null,
    usage      text   not null,
    public_key text   not null,
    hash       blob  not null,
    content    blob  not null,
    primary key (user_id, usage)
) strict;

CREATE TABLE e2ee_dehydrated_devices (
    user_id    text   not null primary key,
    device_id  text   not null,
    content    blob  not null
) strict;

CREATE TABLE e2ee_devices (
    user_id    text   not null,
    device_id  text   not null,
    identity   text   not null,
    hash       blob  not null,
    keys       blob  not null,
    primary key (user_id, device_id)
) strict;

CREATE TABLE e2ee_fallback_keys (
    user_id    text   not null,
    device_id  text   not null,
    algorithm  text   not null,
    key_id     text   not null,
    used       integer not null,
    hash       blob  not null,
    content    blob  not null,
    primary key (user_id, device_id, algorithm)
) strict;

CREATE TABLE e2ee_one_time_keys (
    user_id    text   not null,
    device_id  text   not null,
    algorithm  text   not null,
    key_id     text   not null,
    added      integer not null,
    claimed    integer not null,
    hash       blob  not null,
    content    blob  not null,
    primary key (user_id, device_id, algorithm, key_id)
) strict;

CREATE INDEX e2ee_one_time_keys_next on e2ee_one_time_keys (user_id, device_id, algorithm, claimed, added);

CREATE TABLE e2ee_signatures (
    user_id    text   not null,
    key_id     text   not null,
    signer     text   not null,
    signer_key text   not null,
    signature  text   not null,
    primary key (user_id, key_id, signer, signer_key)
) strict;

CREATE INDEX e2ee_signatures_signer on e2ee_signatures (signer, signer_key);

CREATE TABLE event (
	pos         integer not null primary key,
	room        integer not null,
	event_id    text   not null unique,
	type        text   not null,
	state_key   text,
	sender      text   not null,
	ts          integer not null,
	kind        integer not null,
	snapshot    integer not null,
	depth       integer not null,
	rel_type    text,
	rel_target  text,
	replaces    text,
	device      text,
	txn         text,
	redacted_by text,
	body        blob  not null
) strict;

CREATE INDEX event_room on event (room, pos);

CREATE INDEX event_target on event (rel_target, pos) where rel_target is not null;

CREATE UNIQUE INDEX event_txn on event (sender, device, room, type, txn) where txn is not null;

CREATE TABLE event_missing (
	room       integer not null,
	missing_id text   not null,
	event_id   text   not null,
	primary key (missing_id, event_id)
) strict;

CREATE INDEX event_missing_event on event_missing (event_id);

CREATE TABLE feed_change (
	user_id text   not null,
	kind    text   not null,
	room_id text   not null,
	name    text   not null,
	pos     integer not null,
	primary key (user_id, kind, room_id, name)
) strict;

CREATE INDEX feed_change_pos on feed_change (pos);

CREATE INDEX feed_change_user on feed_change (user_id, pos);

CREATE TABLE feed_pusher (
	user_id    text   not null,
	app_id     text   not null,
	pushkey    text   not null,
	device_id  text   not null,
	token      integer not null,
	body       blob  not null,
	set_at     integer not null,
	pos        integer not null,
	told       integer not null,
	holder     text   not null,
	held_until integer not null,
	primary key (app_id, pushkey, user_id)
) strict;

CREATE INDEX feed_pusher_user on feed_pusher (user_id);

CREATE TABLE feed_receipt (
	room_id   text   not null,
	user_id   text   not null,
	type      text   not null,
	thread    text   not null,
	event_id  text   not null,
	event_pos integer not null,
	ts        integer not null,
	pos       integer not null,
	primary key (room_id, user_id, type, thread)
) strict;

CREATE INDEX feed_receipt_pos on feed_receipt (pos);

CREATE TABLE feed_thread (
	room_id   text   not null,
	thread    text   not null,
	user_id   text   not null,
	automatic integer not null,
	began     integer not null,
	ended     integer not null,
	pos       integer not null,
	primary key (room_id, thread, user_id)
) strict;

CREATE INDEX feed_thread_pos on feed_thread (pos);

CREATE INDEX feed_thread_user on feed_thread (user_id, pos);

CREATE TABLE feed_to_device (
	user_id   text   not null,
	device_id text   not null,
	pos       integer not null,
	body      blob  not null,
	primary key (user_id, device_id, pos)
) strict;

CREATE INDEX feed_to_device_pos on feed_to_device (pos);

CREATE TABLE feed_to_device_txn (
	user_id   text   not null,
	device_id text   not null,
	txn       text   not null,
	ts        integer not null,
	primary key (user_id, device_id, txn)
) strict;

CREATE INDEX feed_to_device_txn_ts on feed_to_device_txn (ts);

CREATE TABLE head (
	key     integer primary key,
	version integer not null,
	value   blob
) strict;

CREATE TABLE mail_outbox (
	mail_id  text   not null primary key,
	user_id  text   not null,
	kind     text   not null,
	created  integer not null,
	due      integer not null,
	gives_up integer not null,
	tries    integer not null,
	body     blob  not null
) strict;

CREATE INDEX mail_outbox_due on mail_outbox (due);

CREATE TABLE media (
    media_id   text   not null primary key,
    user_id    text   not null,
    created    integer not null,
    expires    integer not null,
    file       text   not null,
    size       integer not null,
    meta       blob  not null
) strict;

CREATE INDEX media_file on media (file);

CREATE INDEX media_pending on media (user_id, expires);

CREATE TABLE position (
	one    integer primary key check (one = 1),
	stream integer not null,
	leaf   integer not null
) strict;

CREATE TABLE promise (
	token   text   not null primary key,
	address text   not null,
	room_id text   not null,
	sender  text   not null,
	expires integer not null
) strict;

CREATE INDEX promise_address on promise (address, room_id);

CREATE INDEX promise_expires on promise (expires);

CREATE TABLE room (
	nid      integer not null primary key,
	room_id  text   not null unique,
	version  text   not null,
	creator  text   not null,
	listed   integer not null default 0
) strict;

CREATE TABLE room_alias (
	alias   text   not null primary key,
	room    integer not null,
	creator text   not null,
	ts      integer not null
) strict;

CREATE INDEX room_alias_room on room_alias (room);

CREATE TABLE room_member (
	user_id    text   not null,
	room       integer not null,
	membership text   not null,
	event_id   text   not null,
	sender     text   not null,
	pos        integer not null,
	forgotten  integer not null default 0,
	primary key (user_id, room)
) strict;

CREATE INDEX room_member_room on room_member (room, membership);

CREATE TABLE room_snapshot (
	id     integer not null primary key,
	room   integer not null,
	parent integer not null,
	delta  text   not null
) strict;

CREATE TABLE room_state (
	room      integer not null,
	pos       integer not null,
	type      text   not null,
	state_key text   not null,
	event_id  text,
	primary key (room, type, state_key, pos)
) strict;

CREATE INDEX room_state_pos on room_state (room, pos);

CREATE TABLE room_upgrade (
	room_id     text not null primary key,
	replacement text not null,
	user_id     text not null
) strict;

CREATE TABLE schema_file (name text primary key, sum text not null, applied integer not null) strict;

CREATE TABLE search_block (
	room_id text   not null,
	first   integer not null,
	last    integer not null,
	words   blob  not null,
	primary key (room_id, first)
) strict;

CREATE TABLE signin_proofs (
	sid       text   not null primary key,
	purpose   text   not null,
	address   text   not null,
	secret    blob  not null,
	token     blob  not null unique,
	attempt   integer not null,
	validated integer not null,
	expires   integer not null,
	body      blob  not null
) strict;

CREATE UNIQUE INDEX signin_proofs_asked on signin_proofs (purpose, address, secret);

CREATE INDEX signin_proofs_expires on signin_proofs (expires);

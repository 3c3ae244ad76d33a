-- The schema after all files of schema/. Made by: go test ./db -run TestSchema -update

create table "position" (
	one bigint not null,
	stream bigint not null,
	leaf bigint not null,
	PRIMARY KEY (one),
	CHECK ((one = 1))
) with (fillfactor=10);

create table account_addresses (
	hash text not null,
	user_id text not null,
	body bytea not null,
	validated bigint not null,
	added bigint not null,
	PRIMARY KEY (hash)
);

CREATE INDEX account_addresses_user ON public.account_addresses USING btree (user_id);

create table account_changes (
	epoch bigint not null,
	user_id text not null,
	at bigint not null,
	PRIMARY KEY (epoch)
);

create table account_data (
	user_id text not null,
	room_id text not null,
	type text not null,
	content bytea not null,
	PRIMARY KEY (user_id, room_id, type)
);

create table account_devices (
	user_id text not null,
	device_id text not null,
	name bytea,
	created bigint not null,
	seen bigint not null,
	seen_from bytea,
	PRIMARY KEY (user_id, device_id)
);

create table account_filters (
	user_id text not null,
	filter_id text not null,
	content bytea not null,
	PRIMARY KEY (user_id, filter_id)
);

create table account_grants (
	hash bytea not null,
	kind text not null,
	user_id text not null,
	expires bigint not null,
	PRIMARY KEY (hash)
);

CREATE INDEX account_grants_expires ON public.account_grants USING btree (expires);

create table account_tokens (
	token_id bigint not null,
	access_hash bytea not null,
	refresh_hash bytea,
	user_id text not null,
	device_id text not null,
	created bigint not null,
	expires bigint not null,
	parent bigint not null,
	UNIQUE (access_hash),
	UNIQUE (refresh_hash),
	PRIMARY KEY (token_id)
);

CREATE INDEX account_tokens_device ON public.account_tokens USING btree (user_id, device_id);

create table account_users (
	user_id text not null,
	password text,
	state bigint not null,
	admin bigint not null,
	guest bigint not null,
	created bigint not null,
	profile bytea,
	suspended bigint not null default 0,
	PRIMARY KEY (user_id)
);

create table appservice (
	id text not null,
	pos bigint not null,
	until bigint not null,
	holder text not null,
	held_until bigint not null,
	PRIMARY KEY (id)
);

create table audit_checkpoint (
	number bigint not null,
	time bigint not null,
	size bigint not null,
	note text not null,
	PRIMARY KEY (number)
);

create table audit_index (
	kind text not null,
	value text not null,
	chunk bigint not null,
	numbers bytea not null,
	PRIMARY KEY (kind, value, chunk)
);

create table audit_key (
	one bigint not null,
	public text not null,
	sealed bytea not null,
	PRIMARY KEY (one),
	CHECK ((one = 1))
);

create table audit_leaf (
	number bigint not null,
	time bigint not null,
	act text not null,
	who text not null,
	device text not null,
	room text not null,
	target text not null,
	outcome text not null,
	sealed bytea,
	tag bytea not null,
	hash bytea not null,
	PRIMARY KEY (number)
);

create table audit_read_once (
	day bigint not null,
	token bytea not null,
	PRIMARY KEY (day, token)
);

create table audit_tile (
	level bigint not null,
	number bigint not null,
	hashes bytea not null,
	PRIMARY KEY (level, number)
);

create table delayed_event (
	delay_id text not null,
	user_id text not null,
	device_id text not null,
	room_id text not null,
	type text not null,
	state_key text,
	txn text,
	replaces text not null,
	delay bigint not null,
	since bigint not null,
	due bigint not null,
	done bigint not null,
	content bytea not null,
	PRIMARY KEY (delay_id)
);

CREATE INDEX delayed_event_due ON public.delayed_event USING btree (done, due);

CREATE INDEX delayed_event_user ON public.delayed_event USING btree (user_id, done, due);

CREATE UNIQUE INDEX delayed_event_txn ON public.delayed_event USING btree (user_id, device_id, room_id, type, txn) WHERE (txn IS NOT NULL);

create table e2ee_backup_keys (
	user_id text not null,
	version bigint not null,
	room_id text not null,
	session_id text not null,
	is_verified bigint not null,
	first_message_index bigint not null,
	forwarded_count bigint not null,
	content bytea not null,
	PRIMARY KEY (user_id, version, room_id, session_id)
);

create table e2ee_backup_versions (
	user_id text not null,
	version bigint not null,
	algorithm text not null,
	auth_data bytea not null,
	etag bigint not null,
	count bigint not null,
	deleted bigint not null,
	PRIMARY KEY (user_id, version)
);

create table e2ee_cross_signing_keys (
	user_id text not null,
	usage text not null,
	public_key text not null,
	hash bytea not null,
	content bytea not null,
	PRIMARY KEY (user_id, usage)
);

create table e2ee_dehydrated_devices (
	user_id text not null,
	device_id text not null,
	content bytea not null,
	PRIMARY KEY (user_id)
);

create table e2ee_devices (
	user_id text not null,
	device_id text not null,
	identity text not null,
	hash bytea not null,
	keys bytea not null,
	PRIMARY KEY (user_id, device_id)
);

create table e2ee_fallback_keys (
	user_id text not null,
	device_id text not null,
	algorithm text not null,
	key_id text not null,
	used bigint not null,
	hash bytea not null,
	content bytea not null,
	PRIMARY KEY (user_id, device_id, algorithm)
);

create table e2ee_one_time_keys (
	user_id text not null,
	device_id text not null,
	algorithm text not null,
	key_id text not null,
	added bigint not null,
	claimed bigint not null,
	hash bytea not null,
	content bytea not null,
	PRIMARY KEY (user_id, device_id, algorithm, key_id)
);

CREATE INDEX e2ee_one_time_keys_next ON public.e2ee_one_time_keys USING btree (user_id, device_id, algorithm, claimed, added);

create table e2ee_signatures (
	user_id text not null,
	key_id text not null,
	signer text not null,
	signer_key text not null,
	signature text not null,
	PRIMARY KEY (user_id, key_id, signer, signer_key)
);

CREATE INDEX e2ee_signatures_signer ON public.e2ee_signatures USING btree (signer, signer_key);

create table event (
	pos bigint not null,
	room bigint not null,
	event_id text not null,
	type text not null,
	state_key text,
	sender text not null,
	ts bigint not null,
	kind bigint not null,
	snapshot bigint not null,
	depth bigint not null,
	rel_type text,
	rel_target text,
	replaces text,
	device text,
	txn text,
	redacted_by text,
	body bytea not null,
	UNIQUE (event_id),
	PRIMARY KEY (pos)
);

CREATE INDEX event_room ON public.event USING btree (room, pos);

CREATE INDEX event_target ON public.event USING btree (rel_target, pos) WHERE (rel_target IS NOT NULL);

CREATE UNIQUE INDEX event_txn ON public.event USING btree (sender, device, room, type, txn) WHERE (txn IS NOT NULL);

create table event_missing (
	room bigint not null,
	missing_id text not null,
	event_id text not null,
	PRIMARY KEY (missing_id, event_id)
);

CREATE INDEX event_missing_event ON public.event_missing USING btree (event_id);

create table feed_change (
	user_id text not null,
	kind text not null,
	room_id text not null,
	name text not null,
	pos bigint not null,
	PRIMARY KEY (user_id, kind, room_id, name)
);

CREATE INDEX feed_change_pos ON public.feed_change USING btree (pos);

CREATE INDEX feed_change_user ON public.feed_change USING btree (user_id, pos);

create table feed_pusher (
	user_id text not null,
	app_id text not null,
	pushkey text not null,
	device_id text not null,
	token bigint not null,
	body bytea not null,
	set_at bigint not null,
	pos bigint not null,
	told bigint not null,
	holder text not null,
	held_until bigint not null,
	PRIMARY KEY (app_id, pushkey, user_id)
);

CREATE INDEX feed_pusher_user ON public.feed_pusher USING btree (user_id);

create table feed_receipt (
	room_id text not null,
	user_id text not null,
	type text not null,
	thread text not null,
	event_id text not null,
	event_pos bigint not null,
	ts bigint not null,
	pos bigint not null,
	PRIMARY KEY (room_id, user_id, type, thread)
);

CREATE INDEX feed_receipt_pos ON public.feed_receipt USING btree (pos);

create table feed_thread (
	room_id text not null,
	thread text not null,
	user_id text not null,
	automatic bigint not null,
	began bigint not null,
	ended bigint not null,
	pos bigint not null,
	PRIMARY KEY (room_id, thread, user_id)
);

CREATE INDEX feed_thread_pos ON public.feed_thread USING btree (pos);

CREATE INDEX feed_thread_user ON public.feed_thread USING btree (user_id, pos);

create table feed_to_device (
	user_id text not null,
	device_id text not null,
	pos bigint not null,
	body bytea not null,
	PRIMARY KEY (user_id, device_id, pos)
);

CREATE INDEX feed_to_device_pos ON public.feed_to_device USING btree (pos);

create table feed_to_device_txn (
	user_id text not null,
	device_id text not null,
	txn text not null,
	ts bigint not null,
	PRIMARY KEY (user_id, device_id, txn)
);

CREATE INDEX feed_to_device_txn_ts ON public.feed_to_device_txn USING btree (ts);

create table head (
	key bigint not null,
	version bigint not null,
	value bytea,
	PRIMARY KEY (key)
) with (fillfactor=50);

create table mail_outbox (
	mail_id text not null,
	user_id text not null,
	kind text not null,
	created bigint not null,
	due bigint not null,
	gives_up bigint not null,
	tries bigint not null,
	body bytea not null,
	PRIMARY KEY (mail_id)
);

CREATE INDEX mail_outbox_due ON public.mail_outbox USING btree (due);

create table media (
	media_id text not null,
	user_id text not null,
	created bigint not null,
	expires bigint not null,
	file text not null,
	size bigint not null,
	meta bytea not null,
	PRIMARY KEY (media_id)
);

CREATE INDEX media_file ON public.media USING btree (file);

CREATE INDEX media_pending ON public.media USING btree (user_id, expires);

create table promise (
	token text not null,
	address text not null,
	room_id text not null,
	sender text not null,
	expires bigint not null,
	PRIMARY KEY (token)
);

CREATE INDEX promise_address ON public.promise USING btree (address, room_id);

CREATE INDEX promise_expires ON public.promise USING btree (expires);

create table room (
	nid bigint not null,
	room_id text not null,
	version text not null,
	creator text not null,
	listed bigint not null default 0,
	UNIQUE (room_id),
	PRIMARY KEY (nid)
);

create table room_alias (
	alias text not null,
	room bigint not null,
	creator text not null,
	ts bigint not null,
	PRIMARY KEY (alias)
);

CREATE INDEX room_alias_room ON public.room_alias USING btree (room);

create table room_member (
	user_id text not null,
	room bigint not null,
	membership text not null,
	event_id text not null,
	sender text not null,
	pos bigint not null,
	forgotten bigint not null default 0,
	PRIMARY KEY (user_id, room)
);

CREATE INDEX room_member_room ON public.room_member USING btree (room, membership);

create table room_snapshot (
	id bigint not null,
	room bigint not null,
	parent bigint not null,
	delta text not null,
	PRIMARY KEY (id)
);

create table room_state (
	room bigint not null,
	pos bigint not null,
	type text not null,
	state_key text not null,
	event_id text,
	PRIMARY KEY (room, type, state_key, pos)
);

CREATE INDEX room_state_pos ON public.room_state USING btree (room, pos);

create table room_upgrade (
	room_id text not null,
	replacement text not null,
	user_id text not null,
	PRIMARY KEY (room_id)
);

create table schema_file (
	name text not null,
	sum text not null,
	applied bigint not null,
	PRIMARY KEY (name)
);

create table search_block (
	room_id text not null,
	first bigint not null,
	last bigint not null,
	words bytea not null,
	PRIMARY KEY (room_id, first)
);

create table signin_proofs (
	sid text not null,
	purpose text not null,
	address text not null,
	secret bytea not null,
	token bytea not null,
	attempt bigint not null,
	validated bigint not null,
	expires bigint not null,
	body bytea not null,
	UNIQUE (token),
	PRIMARY KEY (sid)
);

CREATE INDEX signin_proofs_expires ON public.signin_proofs USING btree (expires);

CREATE UNIQUE INDEX signin_proofs_asked ON public.signin_proofs USING btree (purpose, address, secret);

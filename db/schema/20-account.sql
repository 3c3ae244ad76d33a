-- Accounts and what belongs to them. Written by homeserver/account only.
--
-- Every free text (names, profiles, account data, filters, addresses) is sealed under the data key of the
-- person; tokens and passwords are stored as hashes.

create table account_users (
	user_id  text   not null primary key,
	password text,                        -- argon2id in PHC form; null: no password
	state    bigint not null,             -- 0 active, 1 locked, 2 deactivated, 3 deactivated and erased
	admin    bigint not null,
	guest    bigint not null,
	created  bigint not null,             -- milliseconds
	profile  bytea,                       -- sealed JSON object
	suspended bigint not null default 0   -- 1: may read and leave, not write
);

create table account_devices (
	user_id   text   not null,
	device_id text   not null,
	name      bytea,                      -- sealed
	created   bigint not null,
	seen      bigint not null,            -- milliseconds, a few minutes late
	seen_from bytea,                      -- sealed JSON: address and user agent
	primary key (user_id, device_id)
);

-- One row is an access token and the refresh token that came with it, if any.
create table account_tokens (
	token_id     bigint not null primary key, -- random
	access_hash  bytea  not null unique,      -- SHA-256
	refresh_hash bytea  unique,
	user_id      text   not null,
	device_id    text   not null,
	created      bigint not null,
	expires      bigint not null,             -- of the access token; 0: never
	parent       bigint not null              -- token_id it was refreshed from, until this one is first used; 0: none
);
create index account_tokens_device on account_tokens (user_id, device_id);

-- Short-lived tokens that are good for one thing.
create table account_grants (
	hash    bytea  not null primary key, -- SHA-256
	kind    text   not null,             -- login: signs a device in, once; openid: tells another service who one is
	user_id text   not null,
	expires bigint not null              -- milliseconds
);
create index account_grants_expires on account_grants (expires);

-- E-mail addresses that people proved to have.
create table account_addresses (
	hash      text   not null primary key, -- keyed hash of the address
	user_id   text   not null,
	body      bytea  not null,             -- sealed address
	validated bigint not null,             -- milliseconds
	added     bigint not null              -- milliseconds
);
create index account_addresses_user on account_addresses (user_id);

create table account_data (
	user_id text  not null,
	room_id text  not null,               -- empty: global
	type    text  not null,
	content bytea not null,               -- sealed JSON object
	primary key (user_id, room_id, type)
);

create table account_filters (
	user_id   text  not null,
	filter_id text  not null,
	content   bytea not null,             -- sealed JSON object
	primary key (user_id, filter_id)
);

-- Whose state in the memory of other processes is old. Kept for an hour; stays empty on SQLite, which has one process.
create table account_changes (
	epoch   bigint not null primary key,
	user_id text   not null,
	at      bigint not null
);

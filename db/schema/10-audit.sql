-- Tables of package audit: who did what, in an append-only Merkle log.

-- One row for each act. Written together with the act, never changed. It has no index but its key, so that an act costs
-- one appended row.
create table audit_leaf (
	number  bigint primary key, -- from 1, without gaps
	time    bigint not null,    -- milliseconds
	act     text not null,
	who     text not null,
	device  text not null,
	room    text not null,
	target  text not null,
	outcome text not null,
	sealed  bytea,              -- personal details
	tag     bytea not null,     -- keyed hash of the columns above
	hash    bytea not null      -- the leaf's hash in the tree
);

-- The tree: up to 256 hashes of one level in a row. Level 0 has the leaves' hashes, each next one the hashes over 256 of
-- the level below.
create table audit_tile (
	level  bigint not null,
	number bigint not null,
	hashes bytea not null,
	primary key (level, number)
);

-- The signed state of the tree at some moments. The columns repeat what is in the note.
create table audit_checkpoint (
	number bigint primary key, -- from 1, without gaps
	time   bigint not null,
	size   bigint not null,
	note   text not null
);

-- The key that signs; a copy of it for other processes on this database is sealed.
create table audit_key (
	one    bigint primary key check (one = 1),
	public text not null,
	sealed bytea not null
);

-- For searching: which of the 1024 leaves of a chunk have this value. Made later, from a cursor.
create table audit_index (
	kind    text not null, -- who, room, act, day
	value   text not null,
	chunk   bigint not null,
	numbers bytea not null, -- offsets in the chunk, two bytes each
	primary key (kind, value, chunk)
)
without rowid
;

-- Files that were read: once for each person, device, file and day.
create table audit_read_once (
	day   bigint not null, -- since 1970
	token bytea not null,  -- keyed hash of the rest
	primary key (day, token)
)
without rowid
;

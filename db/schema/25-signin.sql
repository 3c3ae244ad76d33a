-- Proofs under way that somebody reads an e-mail address. Written by homeserver/signin only. Kept until they expire.
create table signin_proofs (
	sid       text   not null primary key, -- random
	purpose   text   not null,             -- what the proof is good for
	address   text   not null,             -- keyed hash
	secret    bytea  not null,             -- SHA-256 of the client's secret
	token     bytea  not null unique,      -- SHA-256 of what stands in the letter
	attempt   bigint not null,             -- the client's number of the newest letter
	validated bigint not null,             -- milliseconds; 0: not yet
	expires   bigint not null,             -- milliseconds
	body      bytea  not null              -- sealed address, under the server's key
);
create unique index signin_proofs_asked on signin_proofs (purpose, address, secret);
create index signin_proofs_expires on signin_proofs (expires);

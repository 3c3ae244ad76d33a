-- Mail that waits to be sent. Written by homeserver/mail only. A row goes when its mail was sent or given up.
create table mail_outbox (
	mail_id  text   not null primary key, -- random; also the Message-ID, so that a mail that was sent twice is known
	user_id  text   not null,             -- whom it is for; empty: nobody with an account
	kind     text   not null,
	created  bigint not null,             -- milliseconds
	due      bigint not null,             -- milliseconds: of the next attempt; a process that sends it moves it on first
	gives_up bigint not null,             -- milliseconds
	tries    bigint not null,
	body     bytea  not null              -- the letter, sealed under the key of the person, or the server's for nobody
);
create index mail_outbox_due on mail_outbox (due);

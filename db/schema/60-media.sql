-- Uploaded files, written by homeserver/media only. What says "sealed" is encrypted under the data key of user_id.

create table media (
    media_id   text   not null primary key,
    user_id    text   not null, -- who uploaded it
    created    bigint not null, -- milliseconds
    expires    bigint not null, -- milliseconds: a reserved id that was not filled by then is free, a lent file goes then; 0 for others
    file       text   not null, -- name below the media folder; empty until it is filled
    size       bigint not null, -- bytes of content
    meta       bytea  not null  -- sealed JSON: name and content type; empty until it is filled
);
create index media_pending on media (user_id, expires);
create index media_file on media (file);

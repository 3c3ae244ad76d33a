import type { EncryptedFile, MediaKind, OutgoingMedia, Uploaded } from "../store/media.ts";

const msgtypes: Record<MediaKind, string> = { picture: "m.image", video: "m.video", audio: "m.audio", voice: "m.audio", file: "m.file" };

/** What a message says whose files are on the server. Voice messages carry the marks of MSC3245 and MSC1767 too. */
export function mediaContent(media: OutgoingMedia, uploaded: Uploaded): Record<string, unknown> {
  const { as, name, caption, blob, width, height, duration, blurhash, thumbnail } = media;
  return {
    msgtype: msgtypes[as],
    body: caption === "" ? name : caption,
    filename: name,
    ...place(uploaded.blob, "file", "url"),
    info: {
      mimetype: blob.type === "" ? "application/octet-stream" : blob.type,
      size: blob.size,
      ...(width > 0 ? { w: width, h: height } : {}),
      ...(duration === undefined ? {} : { duration }),
      ...(blurhash === undefined ? {} : { "xyz.amorgan.blurhash": blurhash }),
      ...(thumbnail === undefined || uploaded.thumbnail === undefined
        ? {}
        : {
            ...place(uploaded.thumbnail, "thumbnail_file", "thumbnail_url"),
            thumbnail_info: { w: media.thumbnailWidth, h: media.thumbnailHeight, mimetype: thumbnail.type, size: thumbnail.size },
          }),
    },
    ...(as === "voice" ? voiceMarks(duration ?? 0, media.waveform) : {}),
    "m.mentions": {},
  };
}

function place(at: EncryptedFile | string, file: string, url: string): Record<string, unknown> {
  return typeof at === "string" ? { [url]: at } : { [file]: at };
}

function voiceMarks(duration: number, waveform: readonly number[]): Record<string, unknown> {
  return {
    "org.matrix.msc1767.audio": { duration, waveform },
    "m.audio_details": { duration, waveform },
    "org.matrix.msc3245.voice": {},
    "m.voice": {},
  };
}

-- The index of one volume. It lies on the volume, next to the footage, and moves with the disk.
--
-- One thread of one worker process writes it (recorder.writer); any number of processes read it. Journal: WAL with
-- synchronous=NORMAL: a killed process loses nothing committed; after a power cut the newest commits may be gone, and
-- recovery finds what they said again in the files. Everything but `hold` can be rebuilt from the files; holds are
-- also kept beside the index in holds.json.
--
-- Units: *_us are microseconds of UTC since 1970 on the hub's clock (columns named wall_us are durations on it),
-- *_ticks count the segment's timescale, *_bytes are bytes. Paths are never stored: a file's place follows from
-- camera, quality, opened_us and id (recorder.volume.segment_path).

create table meta (
  key   text primary key,        -- 'volume_uuid', 'boot_id' (of the kernel the writer last ran under), 'clean' ('1' after an orderly end)
  value text not null
) strict;

-- One row per camera and quality that was ever recorded here.
create table stream (
  id             integer primary key,
  camera_id      text not null,
  quality        text not null check (quality in ('main', 'sub')),
  retention_days integer not null check (retention_days > 0),   -- older footage must go
  minimum_days   integer not null check (minimum_days >= 0),    -- younger footage must not go, not even for want of space
  file_bytes     integer not null default 0,                    -- running total over this stream's closed segments
  head           blob,                                          -- seal of the segment sealed last; null before the first
  expired_us     integer not null default 0,                    -- footage before this moment was deleted by retention
  unique (camera_id, quality)
) strict;

-- What a decoder needs, once per distinct configuration.
create table codec_config (
  id     integer primary key,
  digest blob not null unique check (length(digest) = 32),      -- SHA-256 of moov and tracks
  moov   blob not null,                                         -- of the init segment, creation time 0
  tracks text not null                                          -- JSON list of recorder.format.StoredTrack
) strict;

-- An unbroken stretch of one stream: one RTP timeline, one writer. Segments of a run follow each other without a gap.
create table run (
  id         integer primary key,
  stream_id  integer not null references stream (id),
  started_us integer not null,
  epoch      integer not null,                                  -- fencing epoch of the slot lease of the worker that wrote it
  node       text not null,
  end_reason text not null default ''                           -- empty while the run goes on
) strict;

-- One file. While open: wall_us, media_ticks, body_bytes and file_bytes are 0 and open_fragment tells the rest.
create table segment (
  id           integer primary key,                             -- never used again on this volume
  stream_id    integer not null references stream (id),
  run_id       integer not null references run (id),
  config_id    integer not null references codec_config (id),
  state        integer not null check (state in (0, 1, 2)),     -- 0 open, 1 closed, 2 recovered: whole, trailer still to be written
  opened_us    integer not null,                                -- names the file
  start_us     integer not null,                                -- may become earlier while a run's first segment is open
  wall_us      integer not null check (wall_us >= 0),           -- duration; segments of a stream never overlap
  media_start  integer not null,                                -- decoding time of the first sample of the lead track
  media_ticks  integer not null check (media_ticks >= 0),
  timescale    integer not null check (timescale > 0),
  init_bytes   integer not null,                                -- ftyp, header and moov: the map of an HLS playlist
  body_bytes   integer not null,                                -- init and fragments, without the trailer
  file_bytes   integer not null,                                -- all of it
  lost_packets integer not null default 0,                      -- RTP packets missing in the lead track
  chunks       blob,                                            -- packed durations and sizes: media.container.hls.pack_chunks
  seal         blob check (seal is null or length(seal) = 32)
) strict;

-- Answers every question about time from the index alone: 90 days of a camera are some 200 contiguous pages.
create index segment_by_time on segment (stream_id, start_us, wall_us, file_bytes);

-- Finds the few that are not closed without reading the many that are; queries must say "state <> 1" to be served.
create index segment_unfinished on segment (stream_id, state) where state <> 1;

-- The fragments of open segments, so that replay reaches up to the last second. Dropped when the segment is closed.
create table open_fragment (
  segment_id integer not null references segment (id),
  number     integer not null,
  ticks      integer not null,                                  -- of the lead track
  size_bytes integer not null,
  entry      blob not null,                                     -- media.container.samples.FragmentIndex.encode
  primary key (segment_id, number)
) strict, without rowid;

-- A stretch without footage, and why: a media.packet.EndReason, 'planned', 'starting', 'clock_step' or 'missing'.
create table gap (
  stream_id integer not null references stream (id),
  start_us  integer not null,
  end_us    integer,                                            -- null while it lasts
  reason    text not null,
  primary key (stream_id, start_us),
  check (end_us is null or end_us >= start_us)
) strict, without rowid;

-- Files on their way out: row moved here (commit), file unlinked, row deleted (commit).
create table garbage (
  path       text primary key,                                  -- relative to the volume
  file_bytes integer not null
) strict, without rowid;

-- Footage nobody may delete.
create table hold (
  id         text primary key,
  camera_id  text not null,
  start_us   integer not null,
  end_us     integer not null check (end_us > start_us),
  reason     text not null,
  created_us integer not null,
  expires_us integer                                            -- null: until released
) strict;

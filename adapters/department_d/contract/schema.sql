-- SYS-02 department D: front-end database, version 1.0. PostgreSQL; the same text runs on SQLite.
-- Column order is part of the contract: it is the order of members in the signed text (contract.md, 2).

CREATE TABLE PRE_APASINFO (            -- hub writes: the application
  row_key TEXT NOT NULL PRIMARY KEY,
  dataver INTEGER NOT NULL DEFAULT 1,
  projid TEXT NOT NULL,                -- case number, 28
  areacode TEXT NOT NULL,              -- region, 12 digits
  itemno TEXT NOT NULL,                -- implementation code, 31
  itemname TEXT NOT NULL,
  projectname TEXT NOT NULL,
  applyname TEXT NOT NULL,
  applytype TEXT NOT NULL,
  apply_cardtype TEXT NOT NULL,
  apply_cardnumber TEXT NOT NULL,
  applyfrom TEXT NOT NULL,
  receivetime TEXT NOT NULL,
  receiveno TEXT,
  site_code TEXT,
  old_projid TEXT,
  power_source TEXT,                   -- business number of the hub's side
  queue_no TEXT,
  remark TEXT,
  acceptlist TEXT,                     -- JSON text: material list
  row_sign TEXT NOT NULL,
  written_at TEXT NOT NULL,
  signstate INTEGER NOT NULL DEFAULT 0,
  err TEXT,
  sync_at TEXT
);

CREATE TABLE PRE_COMM_FORM (           -- hub writes: the application form of a case
  row_key TEXT NOT NULL PRIMARY KEY,
  dataver INTEGER NOT NULL DEFAULT 1,
  projid TEXT NOT NULL,
  item_values TEXT NOT NULL,           -- JSON text
  row_sign TEXT NOT NULL,
  written_at TEXT NOT NULL,
  signstate INTEGER NOT NULL DEFAULT 0,
  err TEXT,
  sync_at TEXT
);

CREATE TABLE PRE_ACCEPT (              -- hub writes: the acceptance
  row_key TEXT NOT NULL PRIMARY KEY,
  dataver INTEGER NOT NULL DEFAULT 1,
  projid TEXT NOT NULL,
  areacode TEXT NOT NULL,
  itemno TEXT NOT NULL,
  acceptresult TEXT NOT NULL,
  accepttime TEXT NOT NULL,
  deptname TEXT NOT NULL,
  deptcode TEXT NOT NULL,              -- credit code, 18
  username TEXT NOT NULL,
  userid TEXT NOT NULL,
  projpwd TEXT,
  acceptno TEXT,
  reason TEXT,
  law_limit INTEGER,
  law_limit_unit TEXT,
  promise_limit INTEGER,
  promise_limit_unit TEXT,
  applyfrom TEXT,
  isfee TEXT NOT NULL,
  iscert TEXT NOT NULL,
  power_source TEXT,
  queue_no TEXT,
  remark TEXT,
  acceptlist TEXT,
  row_sign TEXT NOT NULL,
  written_at TEXT NOT NULL,
  signstate INTEGER NOT NULL DEFAULT 0,
  err TEXT,
  sync_at TEXT
);

CREATE TABLE PRE_FILE (                -- hub writes: one file of a case
  row_key TEXT NOT NULL PRIMARY KEY,
  dataver INTEGER NOT NULL DEFAULT 1,
  projid TEXT NOT NULL,
  areacode TEXT NOT NULL,
  itemno TEXT NOT NULL,
  attrname TEXT NOT NULL,              -- name of the material
  taketype TEXT NOT NULL,              -- 附件上传
  filename TEXT NOT NULL,
  filetype TEXT NOT NULL,              -- media type
  sha256 TEXT NOT NULL,                -- of the file, hex
  filebody TEXT NOT NULL,              -- the file, base64
  uploadtime TEXT NOT NULL,
  power_source TEXT,
  queue_no TEXT,
  remark TEXT,
  row_sign TEXT NOT NULL,
  written_at TEXT NOT NULL,
  signstate INTEGER NOT NULL DEFAULT 0,
  err TEXT,
  sync_at TEXT
);

CREATE TABLE PRE_NOTICE (              -- hub writes: fee paid, certificate issued
  row_key TEXT NOT NULL PRIMARY KEY,
  dataver INTEGER NOT NULL DEFAULT 1,
  projid TEXT NOT NULL,
  noticetype TEXT NOT NULL,            -- FEE, CERT
  pay_noticeno TEXT,
  pay_amount TEXT,
  pay_time TEXT,
  cert_id TEXT,
  cert_no TEXT,
  cert_name TEXT,
  cert_limit TEXT,
  row_sign TEXT NOT NULL,
  written_at TEXT NOT NULL,
  signstate INTEGER NOT NULL DEFAULT 0,
  err TEXT,
  sync_at TEXT
);

CREATE TABLE EA_JC_STEP_PROC (         -- department writes: an approval step
  row_key TEXT NOT NULL PRIMARY KEY,
  dataver INTEGER NOT NULL DEFAULT 1,
  projid TEXT NOT NULL,
  areacode TEXT NOT NULL,
  itemno TEXT NOT NULL,
  orgbusno TEXT,                       -- business number of the department
  sn INTEGER NOT NULL,                 -- step number, from 1
  nodetype TEXT NOT NULL,
  nodename TEXT NOT NULL,
  noderesult TEXT NOT NULL,
  nodeadv TEXT NOT NULL,
  nodetime TEXT NOT NULL,
  deptname TEXT NOT NULL,
  deptcode TEXT NOT NULL,
  username TEXT NOT NULL,
  userid TEXT NOT NULL,
  remark TEXT,
  row_sign TEXT NOT NULL,
  written_at TEXT NOT NULL,
  is_sync INTEGER NOT NULL DEFAULT 0,
  err TEXT,
  sync_at TEXT
);

CREATE TABLE EA_JC_STEP_SPECIALNODE (  -- department writes: a special procedure begins or ends
  row_key TEXT NOT NULL PRIMARY KEY,
  dataver INTEGER NOT NULL DEFAULT 1,
  projid TEXT NOT NULL,
  areacode TEXT NOT NULL,
  itemno TEXT NOT NULL,
  orgbusno TEXT,
  sn INTEGER NOT NULL,                 -- number of the procedure, from 1
  specialnodetype TEXT NOT NULL,       -- 0 begin, 1 end
  specialtype TEXT,
  specialname TEXT,
  specialresult TEXT,
  specialtime TEXT NOT NULL,
  approver TEXT,
  reason TEXT,
  content TEXT,
  limit_count INTEGER,
  limit_unit TEXT,
  remark TEXT,
  row_sign TEXT NOT NULL,
  written_at TEXT NOT NULL,
  is_sync INTEGER NOT NULL DEFAULT 0,
  err TEXT,
  sync_at TEXT
);

CREATE TABLE EA_JC_STEP_DONE (         -- department writes: the conclusion
  row_key TEXT NOT NULL PRIMARY KEY,
  dataver INTEGER NOT NULL DEFAULT 1,
  projid TEXT NOT NULL,
  areacode TEXT NOT NULL,
  itemno TEXT NOT NULL,
  orgbusno TEXT,
  doneresult TEXT NOT NULL,
  resultexplain TEXT,
  exitres TEXT,
  certificatename TEXT,
  certificateno TEXT,
  certificatelimit TEXT,
  fee TEXT,
  donetime TEXT NOT NULL,
  deptname TEXT NOT NULL,
  deptcode TEXT NOT NULL,
  username TEXT NOT NULL,
  userid TEXT NOT NULL,
  remark TEXT,
  row_sign TEXT NOT NULL,
  written_at TEXT NOT NULL,
  is_sync INTEGER NOT NULL DEFAULT 0,
  err TEXT,
  sync_at TEXT
);

CREATE INDEX PRE_APASINFO_TODO ON PRE_APASINFO (signstate, written_at, row_key);
CREATE INDEX PRE_COMM_FORM_TODO ON PRE_COMM_FORM (signstate, written_at, row_key);
CREATE INDEX PRE_ACCEPT_TODO ON PRE_ACCEPT (signstate, written_at, row_key);
CREATE INDEX PRE_FILE_TODO ON PRE_FILE (signstate, written_at, row_key);
CREATE INDEX PRE_NOTICE_TODO ON PRE_NOTICE (signstate, written_at, row_key);
CREATE INDEX EA_JC_STEP_PROC_TODO ON EA_JC_STEP_PROC (is_sync, written_at, row_key);
CREATE INDEX EA_JC_STEP_SPECIALNODE_TODO ON EA_JC_STEP_SPECIALNODE (is_sync, written_at, row_key);
CREATE INDEX EA_JC_STEP_DONE_TODO ON EA_JC_STEP_DONE (is_sync, written_at, row_key);

"""Process definitions, instances and to-dos as rows: the approval engine made durable."""

"""Complaints (S3-79): taken down by telephone and visit, told by the portal, answered once (S3-81)."""

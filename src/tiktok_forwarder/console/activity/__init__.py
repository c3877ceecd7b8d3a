"""What pages say of the activity: records and ways in people's words."""

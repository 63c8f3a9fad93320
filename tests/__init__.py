"""Tests of Stemma, one folder for each subject."""

"""`copytrader check`: what the keys of the master and of every follower may do, and what an address carries.

It opens the venues itself, reads, and changes nothing; an engine may run beside it.
"""

from supervision.check.examination import Checked, Verdict, examine
from supervision.check.subjects import Subject, Subjects, find_subjects

__all__ = ["Checked", "Subject", "Subjects", "Verdict", "examine", "find_subjects"]

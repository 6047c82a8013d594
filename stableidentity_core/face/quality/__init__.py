"""What is wrong with a photo, in plain sentences."""

from .assess import assess
from .pose import HeadPose, head_pose
from .report import NO_DETECTOR, Finding, QualityReport, require_good

__all__ = ["NO_DETECTOR", "Finding", "HeadPose", "QualityReport", "assess", "head_pose", "require_good"]

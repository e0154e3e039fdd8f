"""DICOM results of a DICOM series: the mask as a Segmentation and as an RT Structure Set, the error
probability as a Parametric Map, and the figures of each structure as a structured report.

They need the optional package highdicom (`pip install 'trustseg[dicom]'`), which is imported only when they
are written.
"""

from TrustSegLib.dicom_output.requirement import check_dicom_output
from TrustSegLib.dicom_output.writing import write_dicom

__all__ = ["check_dicom_output", "write_dicom"]
